"""A stream inside another, as an asyncio transport: what TLS (tls.py) and WebSocket (websocket.py)
have in common, which is all but what they make of the bytes."""

from __future__ import annotations

import asyncio
import socket
from typing import Any, TypeVar, cast

from glasnost.net.sockets import adopt


class Layer(asyncio.Transport, asyncio.Protocol):
    """A protocol towards the socket, a transport towards the application.

    It delivers nothing before it is attached to one. ``established`` is done when its handshake is,
    and may be None from then on.
    """

    # Thousands of them idle in a broker: no attribute may cost a dictionary.
    __slots__ = (
        "_app",
        "_closing",
        "_eof_sent",
        "_eof_told",
        "_error",
        "_paused",
        "_raw",
        "established",
    )

    def __init__(self) -> None:
        super().__init__()
        self.established: asyncio.Future[None] | None = asyncio.get_running_loop().create_future()
        self._raw: asyncio.Transport | None = None
        self._app: asyncio.Protocol | None = None
        self._paused = True
        self._eof_told = False
        self._eof_sent = False
        self._closing = False  # nothing is sent any more
        self._error: BaseException | None = None

    # --- what each makes of it ------------------------------------------------------------------

    def _begin(self) -> None:
        """The socket is there."""
        raise NotImplementedError

    def _resumed(self) -> None:
        """The application reads again: deliver what waits."""
        raise NotImplementedError

    def _send(self, data: memoryview) -> None:
        raise NotImplementedError

    def _send_eof(self) -> None:
        """Say the end of our direction."""
        raise NotImplementedError

    async def last_words(self, error: BaseException) -> None:
        """The handshake has failed so: what the peer has yet to be told before the socket goes."""

    # --- towards the socket ---------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclass of asyncio's, and behave like them.
        self._raw = cast(asyncio.Transport, transport)
        self._begin()

    def pause_writing(self) -> None:
        if self._app is not None:
            self._app.pause_writing()

    def resume_writing(self) -> None:
        if self._app is not None:
            self._app.resume_writing()

    def _read_socket(self, wanted: bool) -> None:
        if self._raw is None or self._raw.is_closing():
            return
        if wanted:
            self._raw.resume_reading()
        else:
            self._raw.pause_reading()

    def _settle(self, error: BaseException) -> None:
        """What is waited for has failed, if it was not over."""
        fail(self.established, error)

    def _tell_lost(self) -> None:
        if self._app is not None:
            app, self._app = self._app, None
            app.connection_lost(self._error)  # type: ignore[arg-type]

    # --- towards the application ----------------------------------------------------------------

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._raw.get_extra_info(name, default) if self._raw is not None else default

    def is_reading(self) -> bool:
        return not self._paused

    def pause_reading(self) -> None:
        self._paused = True
        self._read_socket(False)

    def resume_reading(self) -> None:
        self._paused = False
        asyncio.get_running_loop().call_soon(self._read_on)

    def _read_on(self) -> None:
        """What waits here comes before what the socket has, whose end may be all that it has."""
        if not self._paused:
            self._resumed()
        if not self._paused:
            self._read_socket(True)

    def write(self, data: Any) -> None:
        if self._closing:
            return
        if self._eof_sent:
            raise RuntimeError("Cannot call write() after write_eof()")
        self._send(memoryview(data).cast("B"))

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        """Say the end of our direction, and go on reading."""
        if self._closing or self._eof_sent:
            return
        self._eof_sent = True
        self._send_eof()

    def get_write_buffer_size(self) -> int:
        return self._raw.get_write_buffer_size() if self._raw is not None else 0

    def is_closing(self) -> bool:
        return self._closing

    def abort(self) -> None:
        self._closing = True
        if self._raw is not None:
            self._raw.abort()


_L = TypeVar("_L", bound=Layer)


async def open_layer(sock: socket.socket, layer: _L, timeout: float, what: str) -> _L:
    """Put ``layer`` on ``sock``, which is owned from here on and closed whatever goes wrong, and
    wait for its handshake. Raises what that fails with, or TimeoutError: no ``what`` in time."""
    try:
        await adopt(sock, layer)
        async with asyncio.timeout(timeout):
            if layer.established is not None:
                await layer.established
    except BaseException as error:
        await layer.last_words(error)
        layer.abort()
        if layer.get_extra_info("socket") is None:
            sock.close()  # no transport had it yet
        if isinstance(error, TimeoutError):
            raise TimeoutError(f"no {what} within {timeout:g} s") from None
        raise
    return layer


def fail(waited: asyncio.Future[None] | None, error: BaseException) -> None:
    """Whoever waits for this gets the error, if it was not over."""
    if waited is not None and not waited.done():
        waited.set_exception(error)
        waited.exception()  # its reader may be gone already
