"""TLS over a socket that already carries a stream, as an asyncio transport.

Why not asyncio's own: it holds ten times the memory while idle (design, section 9), it cannot
half-close, and it loses the bytes of a refusal that arrives in place of the handshake. This one
drives an engine (tls_engine.py), and sees to order, ends and back-pressure.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from typing import Any, Final, cast

from glasnost.core.wire import header
from glasnost.errors import GlasnostError, PathCut, TrustError
from glasnost.net.layer import Layer, fail, open_layer
from glasnost.net.tls_engine import Engine

#: A handshake is two round trips and a few milliseconds of arithmetic; 10 s survive two lost
#: packets on a slow line and bound what a stranger can keep open.
HANDSHAKE_TIMEOUT: Final = 10.0
#: How long a server waits, after it has refused, for the client to close first: one lost packet
#: and its repetition. See `TlsTransport.linger`.
LINGER: Final = 2.0


class TlsTransport(Layer):
    """One TLS stream. An application's ``connection_lost`` gets None after a proper end, `Refused`
    with the server's reason, `TrustError` where the peer did not believe our certificate, or
    `PathCut`.
    """

    __slots__ = (
        "_ended_here",
        "_engine",
        "_entering",
        "_lingering",
        "_lost",
        "_server_side",
        "extra",
    )

    def __init__(
        self,
        context: ssl.SSLContext,
        server_side: bool,
        server_name: str | None,
        status: bool = True,
    ) -> None:
        super().__init__()
        self._engine = Engine(context, server_side, server_name, status)
        self._server_side = server_side
        self._entering: asyncio.Future[None] | None = None  # who waits for the server's status
        self._lingering: asyncio.Future[None] | None = None  # who waits for the socket's end
        self._lost = False  # the socket is closed
        self._ended_here = False  # the application has closed it, and hears nothing more
        #: What its owner wants `get_extra_info` to know besides.
        self.extra: dict[str, Any] = {}

    # --- towards the socket ---------------------------------------------------------------------

    def _begin(self) -> None:
        self._handshake()

    def data_received(self, data: bytes) -> None:
        if self._closing:
            return  # we linger: nobody takes it any more
        if self._engine.secured:
            self._read(data)
        else:
            self._handshake(data)

    def eof_received(self) -> bool:
        if self._closing:
            return False
        if not self._engine.finished:
            self._fail(PathCut("the stream ended without its proper end: the path was cut"))
        return True  # the application decides when this side closes

    def connection_lost(self, exc: BaseException | None) -> None:
        self._closing = True
        if exc is not None:
            self._error = self._error or PathCut(_cut(exc))
        self._settle(self._error or PathCut(_cut(exc)))
        self._lost = True
        if self._lingering is not None and not self._lingering.done():
            self._lingering.set_result(None)
        self._tell_lost()

    def _handshake(self, data: bytes = b"") -> None:
        try:
            self._engine.handshake(data)
        except GlasnostError as error:
            self._flush()  # the alert that tells the peer why
            self._fail(error, linger=self._server_side and isinstance(error, TrustError))
            return
        self._flush()
        if not self._engine.secured:
            return
        if self.established is not None and not self.established.done():
            self.established.set_result(None)
        self.established = None
        self._read()

    def _read(self, data: bytes = b"") -> None:
        """Decrypt what is here and deliver it, until there is no more or nobody takes it."""
        more = True
        while more:
            try:
                more = self._engine.decrypt(data)
            except GlasnostError as error:
                self._error = self._error or error
                self._deliver()
                self._fail(error)
                return
            data = b""
            self._flush()  # key updates answer themselves
            if not self._is_let_in():
                if self._closing:
                    return
                continue
            self._deliver()
            if self._app is None or self._paused or self._ended_here:
                break
        if self._app is None and (self._engine.held or self._engine.finished):
            self._read_socket(False)  # until `attach`: what comes early must not fill the memory

    def _is_let_in(self) -> bool:
        if not self._engine.let_in:
            if self._engine.finished:
                self._fail(PathCut("the server ended the connection before it let us in"))
            return False
        if self._entering is not None and not self._entering.done():
            self._entering.set_result(None)
        return True

    def _deliver(self) -> None:
        plain = self._engine.plain
        if plain and self._takes():
            data = bytes(plain)
            plain.clear()
            assert self._app is not None
            self._app.data_received(data)
        if self._error is not None or plain or not self._takes():
            return
        if self._engine.finished and not self._eof_told:
            self._tell_eof()

    def _takes(self) -> bool:
        return self._app is not None and not self._paused and not self._ended_here

    def _tell_eof(self) -> None:
        self._eof_told = True
        assert self._app is not None
        if not self._app.eof_received():
            self.close()

    def _flush(self) -> None:
        if self._raw is not None and (data := self._engine.take_outgoing()):
            self._raw.write(data)

    def _settle(self, error: BaseException) -> None:
        """What is waited for has failed, if it was not over."""
        super()._settle(error)
        fail(self._entering, error)

    def _fail(self, error: BaseException, linger: bool = False) -> None:
        self._error = self._error or error
        self._settle(self._error)
        self._closing = True
        if linger:
            self._end_socket()
        elif self._raw is not None:
            self._raw.close()

    def _end_socket(self) -> None:
        """Say the end of our direction, and read on."""
        if self._raw is not None and not self._raw.is_closing():
            with contextlib.suppress(OSError):  # reset by the peer already
                self._raw.write_eof()

    # --- towards the application ----------------------------------------------------------------

    def attach(self, protocol: asyncio.Protocol) -> None:
        """Give the stream to an application: from here on it is read. What came early may be
        delivered before this returns."""
        self._app = protocol
        self._paused = False
        protocol.connection_made(self)
        if not self._paused:
            self._read_socket(True)
            self._read()
        if self._lost:
            asyncio.get_running_loop().call_soon(self._tell_lost)

    async def let_in(self) -> None:
        """Wait for the server's status, where nobody is attached who would hear what it says.
        Raises what an application's ``connection_lost`` would get."""
        if self._error is not None or self._closing:
            raise self._error or PathCut("the connection was closed")
        if not self._engine.let_in:
            self._entering = asyncio.get_running_loop().create_future()
            await self._entering

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._app = cast(asyncio.Protocol, protocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        assert self._app is not None
        return self._app

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        if name in self.extra:
            return self.extra[name]
        match name:
            case "ssl_object":
                return self._engine.ssl
            case "peercert":
                return self._engine.ssl.getpeercert()
            case "alpn_protocol":
                return self._engine.ssl.selected_alpn_protocol()
            case "cipher":
                return self._engine.ssl.cipher()
            case "sslcontext":
                return default  # asyncio's streams take this as "cannot half-close": we can
        return super().get_extra_info(name, default)

    def _resumed(self) -> None:
        if self._takes():
            self._read()

    def _send(self, data: memoryview) -> None:
        try:
            self._engine.encrypt(data)
        except TrustError as error:
            self._fail(error)
            return
        self._flush()

    def writelines(self, list_of_data: Any) -> None:
        self.write(b"".join(list_of_data))

    def _send_eof(self) -> None:
        """TLS's close_notify, in one direction."""
        self._engine.end()
        self._flush()

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._raw.get_write_buffer_limits() if self._raw is not None else (0, 0)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        if self._raw is not None:
            self._raw.set_write_buffer_limits(high, low)

    def close(self) -> None:
        if self._closing:
            return
        self.write_eof()
        self._closing = self._ended_here = True
        if self._raw is not None:
            self._raw.close()

    def abort(self) -> None:
        self._ended_here = True
        super().abort()

    async def refuse(self, answer: header.Answer) -> None:
        """Be a server that does not let the client in, and see to it that the reason arrives."""
        self.write(header.encode_answer(answer))
        self.write_eof()
        self._closing = self._ended_here = True
        self._read_socket(True)
        self._end_socket()
        await self.linger()

    async def last_words(self, error: BaseException) -> None:
        if self._server_side and isinstance(error, TrustError):
            await self.linger()

    async def linger(self) -> None:
        """Wait until the client has closed, `LINGER` seconds at most, then let go.

        A socket that is closed while bytes arrive which nobody has read is reset by the kernel,
        and a client that is still writing then loses what we have said last.
        """
        try:
            if not self._lost:
                self._lingering = asyncio.get_running_loop().create_future()
                await asyncio.wait({self._lingering}, timeout=LINGER)
        finally:
            self.abort()


async def secure(
    sock: socket.socket,
    context: ssl.SSLContext,
    *,
    server_side: bool = False,
    server_name: str | None = None,
    timeout: float = HANDSHAKE_TIMEOUT,
    status: bool = True,
) -> TlsTransport:
    """Shake hands over ``sock``, which is owned from here on, closed whatever goes wrong. A server
    that is none of ours gives no ``status``.

    Raises `TrustError` (a certificate did not hold), `Refused` (the port refused in the clear),
    `PathCut`, or TimeoutError after ``timeout`` seconds. A client may be done before the server
    has judged its certificate: what came of that, the application hears.
    """
    try:
        transport = TlsTransport(context, server_side, server_name, status)
    except BaseException:
        sock.close()
        raise
    return await open_layer(sock, transport, timeout, "TLS handshake")


def _cut(exc: BaseException | None) -> str:
    return f"the connection was lost: {exc or 'closed by the peer'}"
