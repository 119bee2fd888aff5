"""What systemd and a daemon say to each other: sockets that are open already, and how it goes.

Both are small protocols of environment variables (sd_listen_fds(3), sd_notify(3)). What stood in
the variables is taken out of them at once, so that no child believes it was meant.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import socket
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from typing import Final

from glasnost.errors import SettingsError
from glasnost.net.sockets import tune_listener

log = logging.getLogger("glasnost.host")

#: The first descriptor that is passed: SD_LISTEN_FDS_START.
_FIRST: Final = 3


@dataclass
class Given:
    """Listeners that were open before us and stay open after us: whoever calls while no agent runs
    waits, and is not refused. Closing them here closes nothing for who gave them."""

    tcp: list[socket.socket] = field(default_factory=list)
    port: socket.socket | None = None
    agent: socket.socket | None = None

    def add(self, sock: socket.socket) -> None:
        """Find its place. Raises ValueError where it has none."""
        if not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            raise ValueError("it does not listen")
        match sock.family, sock.type:
            case ((socket.AF_INET | socket.AF_INET6), socket.SOCK_STREAM):
                tune_listener(sock)
                self.tcp.append(sock)
            case socket.AF_UNIX, socket.SOCK_STREAM if self.port is None:
                self.port = sock
            case socket.AF_UNIX, socket.SOCK_SEQPACKET if self.agent is None:
                self.agent = sock
            case _:
                raise ValueError("an agent has TCP listeners, and one unix socket of either kind")

    def check(self) -> None:
        """Whether an agent can live with them. Raises `SettingsError`."""
        if not self.tcp:
            raise SettingsError("none of the sockets passed to us listens on TCP")
        if len({sock.getsockname()[1] for sock in self.tcp}) > 1:
            raise SettingsError("the sockets passed to us listen on several TCP ports, not on one")

    @property
    def number(self) -> int:
        """The TCP port."""
        number: int = self.tcp[0].getsockname()[1]
        return number

    @property
    def hosts(self) -> tuple[str, ...]:
        """The addresses that the TCP listeners take connections at."""
        found: list[str] = []
        for sock in self.tcp:
            host = sock.getsockname()[0]
            both = host == "::" and not sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
            found += ("0.0.0.0", "::") if both else (host,)
        return tuple(dict.fromkeys(found))


def given_listeners(environment: MutableMapping[str, str] = os.environ) -> Given | None:
    """The agent's listeners, if this process was started with some. Raises `SettingsError` for
    what an agent cannot listen on."""
    pid, count = environment.pop("LISTEN_PID", ""), environment.pop("LISTEN_FDS", "")
    names = environment.pop("LISTEN_FDNAMES", "").split(":")
    if pid != str(os.getpid()) or not count.isdigit() or not int(count):
        return None  # nothing, or meant for our parent
    socks: list[socket.socket] = []
    try:
        given = Given()
        for number in range(int(count)):
            name = (names[number] if number < len(names) else "") or "unnamed"
            try:
                socks.append(_listener(_FIRST + number))
                given.add(socks[-1])
            except (OSError, ValueError) as error:
                why = error.strerror if isinstance(error, OSError) else str(error)
                said = f"socket {number + 1} of those passed to us ({name}): {why}"
                raise SettingsError(said) from None
        given.check()
    except BaseException:
        for sock in socks:
            sock.close()
        raise
    return given


def _listener(number: int) -> socket.socket:
    """The descriptor with this number as a socket, which our children shall not have."""
    os.set_inheritable(number, False)
    sock = socket.socket(fileno=number)
    sock.setblocking(False)
    return sock


class Notifier:
    """Tells systemd how it goes, if it asked to be told; else it does nothing."""

    def __init__(self, environment: MutableMapping[str, str] = os.environ) -> None:
        address = environment.pop("NOTIFY_SOCKET", "")
        usec, pid = environment.pop("WATCHDOG_USEC", ""), environment.pop("WATCHDOG_PID", "")
        watched = usec.isdigit() and pid in ("", str(os.getpid()))
        #: Within how many seconds systemd wants to hear from us each time; 0: it does not.
        self.watchdog = int(usec) / 1e6 if watched and address else 0.0
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._sock: socket.socket | None = None
        if address:
            self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._sock.setblocking(False)

    def tell(self, **said: object) -> None:
        """``tell(READY=1, STATUS="serving")``. What cannot be told is lost: we do not wait."""
        if self._sock is None:
            return
        lines = (f"{key}={str(value).replace(chr(10), ' ')}" for key, value in said.items())
        try:
            self._sock.sendto("\n".join(lines).encode(), self._address)
        except OSError as error:
            if error.errno != errno.EAGAIN:
                log.debug("systemd is not told: %s", error.strerror)

    def alive(self) -> None:
        """The loop turns: to be called at least twice within ``watchdog`` seconds."""
        if self.watchdog:
            self.tell(WATCHDOG=1)

    def close(self) -> None:
        if self._sock is not None:
            with contextlib.suppress(OSError):
                self._sock.close()
            self._sock = None
