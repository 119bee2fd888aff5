"""TLS over a socket that already carries a stream, as an asyncio transport.

Why not asyncio's own: it holds ten times the memory while idle (design, section 9), it cannot
half-close, and it loses the bytes of a refusal that arrives in place of the handshake. This one
drives an `ssl.SSLObject` over memory buffers, and knows two things of Glasnost: an `Answer` in
the clear where the server's hello was expected is a refusal, and the first byte from the server
inside TLS is its status (core/wire/header.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import ssl
from typing import Any, Final, cast

from glasnost.core.wire import header
from glasnost.errors import PathCut, ProtocolError, Refused, TrustError
from glasnost.net.sockets import adopt

#: A handshake is two round trips and a few milliseconds of arithmetic; 10 s survive two lost
#: packets on a slow line and bound what a stranger can keep open.
HANDSHAKE_TIMEOUT: Final = 10.0
#: How long a server waits, after it has refused, for the client to close first: one lost packet
#: and its repetition. See `TlsTransport.linger`.
LINGER: Final = 2.0
#: How many decrypted bytes are gathered before the application is called once for all of them.
_READ_SIZE: Final = 256 * 1024


class TlsTransport(asyncio.Transport, asyncio.Protocol):
    """One TLS stream: a protocol towards the socket, a transport towards the application.

    It delivers nothing before `attach`. An application's ``connection_lost`` gets None after a
    proper end, `Refused` with the server's reason, `TrustError` where the peer did not believe
    our certificate, or `PathCut`.
    """

    def __init__(self, context: ssl.SSLContext, server_side: bool, server_name: str | None) -> None:
        super().__init__()
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._ssl = context.wrap_bio(
            self._incoming, self._outgoing, server_side=server_side, server_hostname=server_name
        )
        self._server_side = server_side
        loop = asyncio.get_running_loop()
        self.established: asyncio.Future[None] = loop.create_future()
        self._gone: asyncio.Future[None] = loop.create_future()  # the socket is closed
        self._raw: asyncio.Transport | None = None
        self._app: asyncio.Protocol | None = None
        self._status: bytearray | None = None if server_side else bytearray()
        self._in_clear = bytearray()  # a refusal that stands where the handshake should
        self._secured = False
        self._pending = bytearray()  # decrypted, not delivered
        self._paused = True
        self._finished = False  # the peer said its proper end
        self._eof_told = False
        self._eof_sent = False
        self._closing = False  # nothing is sent any more
        self._ended_here = False  # ... because the application said so: it hears nothing more
        self._error: BaseException | None = None
        #: What its owner wants `get_extra_info` to know besides.
        self.extra: dict[str, Any] = {}

    # --- towards the socket ---------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclass of asyncio's, and behave like them.
        self._raw = cast(asyncio.Transport, transport)
        self._handshake()

    def data_received(self, data: bytes) -> None:
        if self._closing:
            return  # we linger: nobody takes it any more
        if not self._secured:
            if not self._server_side and self._is_refusal(data):
                return
            self._incoming.write(data)
            self._handshake()
        else:
            self._incoming.write(data)
            self._read()

    def eof_received(self) -> bool:
        if self._closing:
            return False
        if not self._finished:
            self._fail(PathCut("the stream ended without its proper end: the path was cut"))
        return True  # the application decides when this side closes

    def connection_lost(self, exc: BaseException | None) -> None:
        self._closing = True
        if exc is not None:
            self._error = self._error or PathCut(_cut(exc))
        self._settle(self._error or PathCut(_cut(exc)))
        if not self._gone.done():
            self._gone.set_result(None)
        self._tell_lost()

    def pause_writing(self) -> None:
        if self._app is not None:
            self._app.pause_writing()

    def resume_writing(self) -> None:
        if self._app is not None:
            self._app.resume_writing()

    def _is_refusal(self, data: bytes) -> bool:
        """Gather an `Answer` that came instead of a handshake; True once one has begun."""
        if not self._in_clear and data[:1] != header.MAGIC[:1]:
            return False
        self._in_clear += data
        self._fail_if_answered(self._in_clear)
        return True

    def _fail_if_answered(self, data: bytearray) -> None:
        """End with the server's reason, once all of it is here."""
        try:
            answer = header.answer_in(bytes(data))
        except ProtocolError as error:
            self._fail(error)
            return
        if answer is not None:
            self._fail(Refused(answer.code or "refused", answer.why))

    def _handshake(self) -> None:
        try:
            self._ssl.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
            return
        except ssl.SSLError as error:
            self._flush()  # the alert that tells the peer why
            self._fail(TrustError(tls_sentence(error)), linger=self._server_side)
            return
        self._flush()
        self._secured = True
        if not self.established.done():
            self.established.set_result(None)
        self._read()

    def _read(self) -> None:
        """Decrypt what is here and deliver it, until there is no more or nobody takes it."""
        more = True
        while more:
            try:
                more = self._decrypt()
            except ssl.SSLError as error:
                self._deliver()
                self._fail(TrustError(tls_sentence(error)))
                return
            self._flush()  # key updates answer themselves
            self._deliver()
            if self._app is None or self._paused or self._ended_here:
                break
        if self._app is None and (self._pending or self._finished):
            self._read_socket(False)  # until `attach`: what comes early must not fill the memory

    def _decrypt(self) -> bool:
        """Gather decrypted bytes; whether there may be more when there are enough."""
        while len(self._pending) < _READ_SIZE:
            try:
                data = self._ssl.read(65536)
            except ssl.SSLWantReadError:
                return False
            except ssl.SSLZeroReturnError:  # what OpenSSL says once both ends have ended
                data = b""
            if not data:
                self._finished = True
                return False
            self._pending += data
        return True

    def _deliver(self) -> None:
        if not self._takes():
            return
        if self._pending and self._status is not None:
            self._strip_status()
        if self._pending and self._takes():
            data = bytes(self._pending)
            self._pending.clear()
            assert self._app is not None
            self._app.data_received(data)
        if self._error is not None or self._pending or not self._takes():
            return
        if self._finished and not self._eof_told:
            self._tell_eof()

    def _takes(self) -> bool:
        return self._app is not None and not self._paused and not self._ended_here

    def _tell_eof(self) -> None:
        self._eof_told = True
        if self._status is not None:
            self._fail(PathCut("the server ended the connection before it let us in"))
            return
        assert self._app is not None
        if not self._app.eof_received():
            self.close()

    def _tell_lost(self) -> None:
        if self._app is not None:
            app, self._app = self._app, None
            app.connection_lost(self._error)  # type: ignore[arg-type]

    def _strip_status(self) -> None:
        """Take the server's status off the front of the stream, or fail with its reason."""
        assert self._status is not None
        if not self._status and self._pending[:1] == header.ACCEPTED:
            del self._pending[:1]
            self._status = None
            if isinstance(self._app, _Entering):
                self._app.entered()
                self._app = None
            return
        self._status += self._pending
        self._pending.clear()
        self._fail_if_answered(self._status)

    def _flush(self) -> None:
        if self._outgoing.pending and self._raw is not None:
            self._raw.write(self._outgoing.read())

    def _settle(self, error: BaseException) -> None:
        """The handshake has failed, if it was not over."""
        if not self.established.done():
            self.established.set_exception(error)
            self.established.exception()  # its reader may be gone already

    def _fail(self, error: BaseException, linger: bool = False) -> None:
        self._error = self._error or error
        self._settle(self._error)
        self._closing = True
        if linger:
            self._end_socket()
        elif self._raw is not None:
            self._raw.close()

    def _read_socket(self, wanted: bool) -> None:
        if self._raw is None or self._raw.is_closing():
            return
        if wanted:
            self._raw.resume_reading()
        else:
            self._raw.pause_reading()

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
        if self._gone.done():
            asyncio.get_running_loop().call_soon(self._tell_lost)

    async def let_in(self) -> None:
        """Wait for the server's status, where nobody is attached who would hear what it says.
        Raises what an application's ``connection_lost`` would get."""
        entering = _Entering()
        self.attach(entering)
        await entering.done

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
                return self._ssl
            case "peercert":
                return self._ssl.getpeercert()
            case "alpn_protocol":
                return self._ssl.selected_alpn_protocol()
            case "cipher":
                return self._ssl.cipher()
            case "sslcontext":
                return default  # asyncio's streams take this as "cannot half-close": we can
        return self._raw.get_extra_info(name, default) if self._raw is not None else default

    def is_reading(self) -> bool:
        return not self._paused

    def pause_reading(self) -> None:
        self._paused = True
        self._read_socket(False)

    def resume_reading(self) -> None:
        self._paused = False
        self._read_socket(True)
        asyncio.get_running_loop().call_soon(self._read_again)

    def _read_again(self) -> None:
        if self._takes():
            self._read()

    def write(self, data: Any) -> None:
        if self._closing:
            return
        if self._eof_sent:
            raise RuntimeError("Cannot call write() after write_eof()")
        view = memoryview(data).cast("B")
        try:
            while view:
                view = view[self._ssl.write(view) :]
        except ssl.SSLError as error:
            self._fail(TrustError(tls_sentence(error)))
            return
        self._flush()

    def writelines(self, list_of_data: Any) -> None:
        self.write(b"".join(list_of_data))

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        """Say our proper end and go on reading: TLS's close_notify, in one direction."""
        if self._closing or self._eof_sent:
            return
        self._eof_sent = True
        self._take_all()
        with contextlib.suppress(ssl.SSLError):
            self._ssl.unwrap()
        self._flush()

    def _take_all(self) -> None:
        """Decrypt everything held: OpenSSL refuses data that it meets while it shuts down. It is
        no more than one reading of the socket, and `_READ_SIZE` before that."""
        with contextlib.suppress(ssl.SSLError):
            while data := self._ssl.read(65536):
                self._pending += data

    def get_write_buffer_size(self) -> int:
        return self._raw.get_write_buffer_size() if self._raw is not None else 0

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._raw.get_write_buffer_limits() if self._raw is not None else (0, 0)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        if self._raw is not None:
            self._raw.set_write_buffer_limits(high, low)

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        if self._closing:
            return
        self.write_eof()
        self._closing = self._ended_here = True
        if self._raw is not None:
            self._raw.close()

    def abort(self) -> None:
        self._closing = self._ended_here = True
        if self._raw is not None:
            self._raw.abort()

    async def refuse(self, answer: header.Answer) -> None:
        """Be a server that does not let the client in, and see to it that the reason arrives."""
        self.write(header.encode_answer(answer))
        self.write_eof()
        self._closing = self._ended_here = True
        self._read_socket(True)
        self._end_socket()
        await self.linger()

    async def linger(self) -> None:
        """Wait until the client has closed, `LINGER` seconds at most, then let go.

        A socket that is closed while bytes arrive which nobody has read is reset by the kernel,
        and a client that is still writing then loses what we have said last.
        """
        try:
            await asyncio.wait({self._gone}, timeout=LINGER)
        finally:
            self.abort()


class _Entering(asyncio.Protocol):
    """Stands where the application will, until the server has let us in."""

    def __init__(self) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def entered(self) -> None:
        if not self.done.done():
            self.done.set_result(None)

    def connection_lost(self, exc: BaseException | None) -> None:
        if not self.done.done():
            self.done.set_exception(exc or PathCut("the connection was closed"))


async def secure(
    sock: socket.socket,
    context: ssl.SSLContext,
    *,
    server_side: bool = False,
    server_name: str | None = None,
    timeout: float = HANDSHAKE_TIMEOUT,
) -> TlsTransport:
    """Shake hands over ``sock``, which is owned from here on, closed whatever goes wrong.

    Raises `TrustError` (a certificate did not hold), `Refused` (the port refused in the clear),
    `PathCut`, or TimeoutError after ``timeout`` seconds. A client may be done before the server
    has judged its certificate: what came of that, the application hears.
    """
    try:
        transport = TlsTransport(context, server_side, server_name)
    except BaseException:
        sock.close()
        raise
    try:
        await adopt(sock, transport)
        async with asyncio.timeout(timeout):
            await transport.established
    except BaseException as error:
        if server_side and isinstance(error, TrustError):
            await transport.linger()
        transport.abort()
        if transport.get_extra_info("socket") is None:
            sock.close()  # no transport had it yet
        if isinstance(error, TimeoutError):
            raise TimeoutError(f"no TLS handshake within {timeout:g} s") from None
        raise
    return transport


def tls_sentence(error: ssl.SSLError) -> str:
    """OpenSSL's reason as a sentence: ``certificate verify failed: ...``."""
    detail = getattr(error, "verify_message", "")
    reason = (error.reason or str(error)).replace("_", " ").lower()
    # SSLV3_ALERT_CERTIFICATE_EXPIRED, TLSV1_ALERT_UNKNOWN_CA, TLSV13_ALERT_...
    if alert := re.fullmatch(r"(?:sslv3|tlsv1|tlsv13) alert (.+)", reason):
        return f"the peer ended the handshake: {alert[1]}"
    return f"TLS: {reason}: {detail}" if detail else f"TLS: {reason}"


def _cut(exc: BaseException | None) -> str:
    return f"the connection was lost: {exc or 'closed by the peer'}"
