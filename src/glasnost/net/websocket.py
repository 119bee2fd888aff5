"""A stream inside a WebSocket (RFC 6455), as an asyncio transport.

Binary messages, one after the other, are the bytes of the stream, wherever they are cut. An empty
one is the end of its direction, since a WebSocket itself cannot half-close; a connection that ends
before it was cut.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any, Final, cast

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from glasnost.errors import PathCut, ProtocolError, Refused
from glasnost.net.sockets import adopt

#: How much of a stream goes into one message: little to hold back, and 14 bytes of frame vanish.
MESSAGE: Final = 64 * 1024
#: The longest frame that is taken.
MAX_FRAME: Final = 1 << 20
#: Fronts give up connections on which nothing moves, commonly after 60 s.
KEEP_ALIVE: Final = 25.0
#: A handshake is one round trip; 10 s survive three lost packets.
HANDSHAKE_TIMEOUT: Final = 10.0


class WsTransport(asyncio.Transport, asyncio.Protocol):
    """One WebSocket: a protocol towards the socket, a transport towards the application.

    ``path`` is where a server takes them, ``begun`` what it has read already. It delivers nothing
    before `attach`. An application's ``connection_lost`` gets None after a
    proper end, else `PathCut` or `ProtocolError`.
    """

    def __init__(
        self, talk: ClientProtocol | ServerProtocol, path: str = "", begun: bytes = b""
    ) -> None:
        super().__init__()
        self._talk = talk
        self._path, self._begun = path, begun
        self._loop = asyncio.get_running_loop()
        self.established: asyncio.Future[None] = self._loop.create_future()
        self._raw: asyncio.Transport | None = None
        self._app: asyncio.Protocol | None = None
        self._held = bytearray()
        self._paused = True
        self._eof_came = False
        self._eof_told = False
        self._eof_sent = False
        self._closing = False
        self._error: BaseException | None = None
        self._timer: asyncio.TimerHandle | None = None

    # --- towards the socket ---------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclass of asyncio's, and behave like them.
        self._raw = cast(asyncio.Transport, transport)
        if isinstance(self._talk, ClientProtocol):
            self._talk.send_request(self._talk.connect())
            self._flush()
        elif self._begun:
            self.data_received(self._begun)

    def data_received(self, data: bytes) -> None:
        self._talk.receive_data(data)
        for event in self._talk.events_received():
            match event:
                case Request():
                    self._asked(event)
                case Response():
                    self._answered(event)
                case Frame():
                    self._framed(event)
        self._flush()
        wrong = self._talk.parser_exc or self._talk.handshake_exc
        if wrong is not None:
            self._fail(ProtocolError(f"this is no WebSocket: {wrong}"))
        self._deliver()

    def eof_received(self) -> bool:
        if self._talk.state is State.CONNECTING and not self._closing:
            self._talk.receive_eof()  # a refusal's text may end with the connection alone
            for event in self._talk.events_received():
                if isinstance(event, Response):
                    self._answered(event)
        return False  # a WebSocket ends as a whole

    def connection_lost(self, exc: BaseException | None) -> None:
        self._closing = True
        if self._timer is not None:
            self._timer.cancel()
        if not (self._eof_came and self._eof_sent):
            self._error = self._error or PathCut(f"the WebSocket was cut: {exc or 'closed'}")
        if not self.established.done():
            self.established.set_exception(self._error or PathCut("the WebSocket was closed"))
            self.established.exception()  # its reader may be gone already
        if self._app is not None:
            app, self._app = self._app, None
            app.connection_lost(self._error)  # type: ignore[arg-type]

    def pause_writing(self) -> None:
        if self._app is not None:
            self._app.pause_writing()

    def resume_writing(self) -> None:
        if self._app is not None:
            self._app.resume_writing()

    def _asked(self, request: Request) -> None:
        """A client wants to be let in, at a path that has to be ours."""
        assert isinstance(self._talk, ServerProtocol)
        if self._talk.eof_sent:
            self._fail(ProtocolError("it says more before it is let in"))
            return
        if request.path == self._path:
            answer = self._talk.accept(request)
        else:
            answer = self._talk.reject(404, "nothing is here\n")
        self._talk.send_response(answer)
        if answer.status_code == 101:
            self._establish()
        else:
            self._fail(ProtocolError(f"a request that is answered with {answer.status_code}"))

    def _answered(self, response: Response) -> None:
        error = self._talk.handshake_exc
        if error is None:
            self._establish()
        elif isinstance(error, InvalidStatus):
            says = f"{response.status_code} {response.reason_phrase[:100]}"
            self._fail(Refused("front", f"the front says: {says}"))
        else:
            self._fail(ProtocolError(f"this is no WebSocket: {error}"))

    def _establish(self) -> None:
        if not self.established.done():
            self.established.set_result(None)
        if self._app is None:
            self._read_socket(False)  # until `attach`: what comes early must not fill the memory
        if isinstance(self._talk, ClientProtocol):
            self._timer = self._loop.call_later(KEEP_ALIVE, self._keep_alive)

    def _framed(self, frame: Frame) -> None:
        match frame.opcode:
            case Opcode.BINARY if not frame.data and frame.fin:
                self._eof_came = True
            case Opcode.BINARY | Opcode.CONT if not self._eof_came:
                self._held += frame.data
            case Opcode.PING | Opcode.PONG | Opcode.CLOSE:
                pass  # answered by the talk itself
            case _:
                self._fail(ProtocolError("a message that is no part of a stream"))

    def _keep_alive(self) -> None:
        if self._talk.state is State.OPEN:
            self._talk.send_ping(b"")
            self._flush()
        self._timer = self._loop.call_later(KEEP_ALIVE, self._keep_alive)

    def _deliver(self) -> None:
        if self._held and self._takes():
            data = bytes(self._held)
            self._held.clear()
            assert self._app is not None
            self._app.data_received(data)
        if self._eof_came and not self._eof_told and not self._held and self._takes():
            self._eof_told = True
            assert self._app is not None
            if not self._app.eof_received():
                self.close()

    def _takes(self) -> bool:
        return self._app is not None and not self._paused and not self._closing

    def _flush(self) -> None:
        if self._raw is not None and not self._raw.is_closing():
            self._raw.writelines([data for data in self._talk.data_to_send() if data])

    def _fail(self, error: BaseException) -> None:
        self._error = self._error or error
        if not self.established.done():
            self.established.set_exception(self._error)
            self.established.exception()
        self._flush()
        self._closing = True
        if self._raw is not None:
            self._raw.close()

    def _read_socket(self, wanted: bool) -> None:
        if self._raw is None or self._raw.is_closing():
            return
        if wanted:
            self._raw.resume_reading()
        else:
            self._raw.pause_reading()

    # --- towards the application ----------------------------------------------------------------

    def attach(self, protocol: asyncio.Protocol) -> None:
        """Give the stream to an application: from here on it is read."""
        self._app = protocol
        self._paused = False
        protocol.connection_made(self)
        if self._closing:
            self._loop.call_soon(self.connection_lost, None)
        elif not self._paused:
            self._read_socket(True)
            self._deliver()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._raw.get_extra_info(name, default) if self._raw is not None else default

    def is_reading(self) -> bool:
        return not self._paused

    def pause_reading(self) -> None:
        self._paused = True
        self._read_socket(False)

    def resume_reading(self) -> None:
        self._paused = False
        self._read_socket(True)
        self._loop.call_soon(self._deliver)

    def write(self, data: Any) -> None:
        if self._closing:
            return
        if self._eof_sent:
            raise RuntimeError("Cannot call write() after write_eof()")
        if self._talk.state is not State.OPEN:  # the peer takes nothing more
            self._fail(PathCut("the other end of the WebSocket has closed it"))
            return
        view = memoryview(data).cast("B")
        for at in range(0, len(view), MESSAGE):
            self._talk.send_binary(view[at : at + MESSAGE])
        self._flush()

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        """Say the end of our direction, and go on reading."""
        if self._closing or self._eof_sent:
            return
        self._eof_sent = True
        if self._talk.state is State.OPEN:
            self._talk.send_binary(b"")
            self._flush()

    def get_write_buffer_size(self) -> int:
        return self._raw.get_write_buffer_size() if self._raw is not None else 0

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        if self._closing:
            return
        self.write_eof()
        if self._talk.state is State.OPEN:
            self._talk.send_close(1000)
            self._flush()
        self._closing = True
        if self._raw is not None:
            self._raw.close()

    def abort(self) -> None:
        self._closing = True
        if self._raw is not None:
            self._raw.abort()


async def connect_ws(
    sock: socket.socket, server: str, path: str, *, timeout: float = HANDSHAKE_TIMEOUT
) -> WsTransport:
    """Be the client on ``sock``, which is owned from here on, closed whatever goes wrong.

    Raises `Refused` with the front's status, `ProtocolError`, `PathCut`, or TimeoutError.
    """
    talk = ClientProtocol(parse_uri(f"ws://{server}{path}"), max_size=(None, MAX_FRAME))
    return await _established(sock, WsTransport(talk), timeout)


async def accept_ws(
    sock: socket.socket, path: str, begun: bytes = b"", *, timeout: float = HANDSHAKE_TIMEOUT
) -> WsTransport:
    """Be the server; ``begun`` is what has been read already. Raises as `connect_ws`."""
    transport = WsTransport(ServerProtocol(max_size=(None, MAX_FRAME)), path, begun)
    return await _established(sock, transport, timeout)


async def _established(sock: socket.socket, transport: WsTransport, timeout: float) -> WsTransport:
    try:
        await adopt(sock, transport)
        async with asyncio.timeout(timeout):
            await transport.established
    except BaseException as error:
        transport.abort()
        if transport.get_extra_info("socket") is None:
            sock.close()  # no transport had it yet
        if isinstance(error, TimeoutError):
            raise TimeoutError(f"no WebSocket within {timeout:g} s") from None
        raise
    return transport
