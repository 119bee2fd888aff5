"""Holds packets back: a cable with latency, for kernels without netem.

A process of its own. Each cable is two interfaces, ``aN`` and ``bN``; whatever arrives at one
leaves by the other ``delay`` seconds later, in order. The sockets carry the kernel's own note
about unfinished checksums and unsplit segments along (PACKET_VNET_HDR), so large segments cross
whole and offloading stays on.

Run as a script, it imports the standard library only.
"""

from __future__ import annotations

import select
import socket
import sys
import time
from collections import deque
from dataclasses import dataclass, field

_SOL_PACKET = 263
_PACKET_VNET_HDR = 15
_PACKET_IGNORE_OUTGOING = 23
_ALL_PROTOCOLS = 0x0003
_FRAME = 128 * 1024  # more than the largest unsplit segment with its headers
_BUFFER = 16 * 1024 * 1024
_MOST_HELD = 64 * 1024 * 1024  # per direction; a longer queue is dropped, as a router would
_RCVBUFFORCE = 33
_SNDBUFFORCE = 32


@dataclass
class Direction:
    """One way through a cable, and what is under way in it."""

    source: socket.socket
    sink: socket.socket
    delay: float
    held: deque[tuple[float, bytes]] = field(default_factory=deque)
    size: int = 0

    def take(self, now: float) -> None:
        """Take in everything that has arrived."""
        while True:
            try:
                frame = self.source.recv(_FRAME)
            except OSError:
                return  # nothing more, or the link is down
            if self.size + len(frame) <= _MOST_HELD:
                self.held.append((now + self.delay, frame))
                self.size += len(frame)

    def give(self, now: float) -> None:
        """Send on everything that is due."""
        while self.held and self.held[0][0] <= now:
            _, frame = self.held.popleft()
            self.size -= len(frame)
            try:
                self.sink.send(frame)
            except OSError:
                continue  # the link is down or full: the packet is lost, as on a real cable


def _open(interface: str) -> socket.socket:
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    sock.setblocking(False)
    sock.setsockopt(_SOL_PACKET, _PACKET_VNET_HDR, 1)
    sock.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
    for forced, plain in ((_RCVBUFFORCE, socket.SO_RCVBUF), (_SNDBUFFORCE, socket.SO_SNDBUF)):
        try:
            sock.setsockopt(socket.SOL_SOCKET, forced, _BUFFER)
        except PermissionError:  # beyond the system's limit only for real root
            sock.setsockopt(socket.SOL_SOCKET, plain, _BUFFER)
    sock.bind((interface, _ALL_PROTOCOLS))
    return sock


def carry(cables: list[tuple[str, str, float]]) -> None:
    """Carry packets over all cables (two interface names and a delay each) for ever."""
    directions = []
    for one, other, delay in cables:
        a, b = _open(one), _open(other)
        directions += [Direction(a, b, delay), Direction(b, a, delay)]
    by_source = {direction.source: direction for direction in directions}
    print("ready", flush=True)
    while True:
        due = min((d.held[0][0] for d in directions if d.held), default=None)
        wait = None if due is None else max(0.0, due - time.monotonic())
        arrived, _, _ = select.select(list(by_source), [], [], wait)
        now = time.monotonic()
        for source in arrived:
            by_source[source].take(now)
        for direction in directions:
            direction.give(now)


def main() -> None:
    words = sys.argv[1:]
    carry([(a, b, float(delay)) for a, b, delay in zip(*[iter(words)] * 3, strict=True)])


if __name__ == "__main__":
    main()
