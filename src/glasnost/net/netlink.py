"""Being told that something about this host's network has changed: see `interfaces.read_host`.

Linux sends a message for every address, link and route that comes or goes. What they say is not
read: a host is read as a whole afterwards, so that a message that was lost, or a kind of message
that we do not know, costs nothing. Other systems, and sandboxes without netlink, are asked again
and again instead; this is the one file that knows the difference.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from typing import Final

log = logging.getLogger("glasnost.agent")

#: Where nobody tells us, the host is looked at this often, seconds.
POLL: Final = 2.0
#: From the first message to the reading, seconds: an interface that comes up sends a dozen
#: messages (link, addresses, routes), and one reading serves them all.
SETTLE: Final = 0.2
#: Between two readings, seconds: an interface that flaps costs one a second and no more, and a
#: record still follows within two.
SPACING: Final = 1.0

#: Multicast groups of <linux/rtnetlink.h>: links, addresses and routes of both protocols.
_GROUPS: Final = 0x1 | 0x10 | 0x40 | 0x100 | 0x400
#: Of <linux/netlink.h>. A socket that has lost messages is in error until that is read, and libuv
#: stops to watch what is in error. We need not be told: what is lost came while others waited here
#: to be read, and the host is read after them.
_SOL_NETLINK: Final = 270
_NETLINK_NO_ENOBUFS: Final = 5
_MESSAGE: Final = 64 * 1024
#: Messages taken before other work gets its turn; the rest is told of again.
_BATCH: Final = 64


class HostChanges:
    """``with HostChanges() as changes``: `wait` returns when the host should be read again.

    It listens in the network namespace of the thread that makes it. ``told`` counts messages.
    """

    def __init__(self) -> None:
        self.told = 0
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._read_at = -SPACING
        self._sock = _subscribed()
        if self._sock is not None:
            self._loop.add_reader(self._sock.fileno(), self._readable)

    def __repr__(self) -> str:
        how = "polling" if self.polls else f"told {self.told} times"
        return f"<HostChanges {how}>"

    def __enter__(self) -> HostChanges:
        return self

    def __exit__(self, *_: object) -> None:
        if self._sock is not None:
            self._loop.remove_reader(self._sock.fileno())
            self._sock.close()
            self._sock = None

    @property
    def polls(self) -> bool:
        """Whether nobody tells us of changes."""
        return self._sock is None

    async def wait(self, within: float) -> None:
        """Return soon after something has changed; else after ``within`` seconds, or earlier
        where nobody tells us of changes."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(within, POLL) if self.polls else within):
                await self._changed.wait()
                since = self._loop.time() - self._read_at
                await asyncio.sleep(max(SETTLE, SPACING - since))
        self._changed.clear()
        self._read_at = self._loop.time()

    def _readable(self) -> None:
        assert self._sock is not None
        for _ in range(_BATCH):
            try:
                self._sock.recv(_MESSAGE)
            except (BlockingIOError, InterruptedError):
                return
            self.told += 1
            self._changed.set()


def _subscribed() -> socket.socket | None:
    """A socket that hears what changes; None where there is no such thing."""
    if not hasattr(socket, "AF_NETLINK"):
        return None
    try:
        sock = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE
        )
    except OSError as error:
        log.warning("changes of addresses are looked for every %g s: %s", POLL, error.strerror)
        return None
    try:
        sock.setsockopt(_SOL_NETLINK, _NETLINK_NO_ENOBUFS, 1)
        sock.bind((0, _GROUPS))
    except OSError as error:
        sock.close()
        log.warning("changes of addresses are looked for every %g s: %s", POLL, error.strerror)
        return None
    return sock
