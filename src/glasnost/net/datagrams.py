"""UDP ports: datagrams one by one, with everybody else's turns in between."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Final

from glasnost.errors import SettingsError
from glasnost.net.sockets import address_text

#: The longest that there is.
MAX_DATAGRAM: Final = 65_535
#: Read in a row before others get their turn: a millisecond's work.
_IN_A_ROW: Final = 16
#: What the kernel may hold of those that nobody has read, in bytes: more come at a time than are
#: read, and what does not fit is lost. Less where the system allows less.
_BUFFER: Final = 4 << 20


class Datagrams:
    """One UDP port. Raises `SettingsError` where it cannot be had; `close` it."""

    def __init__(self, host: str, port: int) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_DGRAM)
        try:
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
            sock.bind((host, port))
        except OSError as error:
            sock.close()
            raise SettingsError(
                f"cannot listen on {host} UDP port {port}: {error.strerror}"
            ) from error
        sock.setblocking(False)
        self._sock = sock
        self._row = 0

    @property
    def number(self) -> int:
        return int(self._sock.getsockname()[1])

    async def receive(self) -> tuple[bytes, str]:
        """The next datagram, and who has sent it. Raises OSError."""
        self._row += 1
        if self._row >= _IN_A_ROW:
            self._row = 0
            await asyncio.sleep(0)
        while True:
            try:
                data, address = self._sock.recvfrom(MAX_DATAGRAM)
            except BlockingIOError:
                await self._readable()
            else:
                return data, address_text(address)

    async def _readable(self) -> None:
        self._row = 0
        loop = asyncio.get_running_loop()
        there = asyncio.Event()
        loop.add_reader(self._sock.fileno(), there.set)
        try:
            await there.wait()
        finally:
            loop.remove_reader(self._sock.fileno())

    def close(self) -> None:
        self._sock.close()
