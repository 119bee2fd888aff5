"""A stream inside a WebSocket (RFC 6455), as an asyncio transport.

Binary messages, one after the other, are the bytes of the stream, wherever they are cut. An empty
one is the end of its direction, since a WebSocket itself cannot half-close; a connection that ends
before it was cut.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Final

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from glasnost.core.wire.header import MAGIC
from glasnost.errors import PathCut, ProtocolError, Refused
from glasnost.net.layer import Layer, open_layer

#: How much of a stream goes into one message: little to hold back, and 14 bytes of frame vanish.
MESSAGE: Final = 64 * 1024
#: The longest frame that is taken.
MAX_FRAME: Final = 1 << 20
#: Fronts give up connections on which nothing moves, commonly after 60 s.
KEEP_ALIVE: Final = 25.0
#: A handshake is one round trip; 10 s survive three lost packets.
HANDSHAKE_TIMEOUT: Final = 10.0


class WsTransport(Layer):
    """One WebSocket. ``path`` is where a server takes them, ``begun`` what it has read already. An
    application's ``connection_lost`` gets None after a proper end, else `PathCut` or
    `ProtocolError`.
    """

    def __init__(
        self, talk: ClientProtocol | ServerProtocol, path: str = "", begun: bytes = b""
    ) -> None:
        super().__init__()
        self._talk = talk
        self._path, self._begun = path, begun
        self._loop = asyncio.get_running_loop()
        self._heard = False
        self._held = bytearray()
        self._eof_came = False
        self._timer: asyncio.TimerHandle | None = None

    # --- towards the socket ---------------------------------------------------------------------

    def _begin(self) -> None:
        if isinstance(self._talk, ClientProtocol):
            self._talk.send_request(self._talk.connect())
            self._flush()
        elif self._begun:
            self.data_received(self._begun)

    def data_received(self, data: bytes) -> None:
        first, self._heard = not self._heard, True
        if first and isinstance(self._talk, ClientProtocol) and data[:1] == MAGIC[:1]:
            # A front may pass it on as it is, and wait for more.
            self._fail(Refused("front", "what answers there is a port that takes no WebSockets"))
            return
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
        self._settle(self._error or PathCut("the WebSocket was closed"))
        self._tell_lost()

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
        if self.established is not None and not self.established.done():
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
        if self._talk.eof_sent and not self._held and self._takes():
            self.close()  # the client has closed it all, and waits for the end of the connection

    def _takes(self) -> bool:
        return self._app is not None and not self._paused and not self._closing

    def _flush(self) -> None:
        if self._raw is not None and not self._raw.is_closing():
            self._raw.writelines([data for data in self._talk.data_to_send() if data])

    def _fail(self, error: BaseException) -> None:
        self._error = self._error or error
        self._settle(self._error)
        self._flush()
        self._closing = True
        if self._raw is not None:
            self._raw.close()

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

    def _resumed(self) -> None:
        self._deliver()

    def _send(self, data: memoryview) -> None:
        if self._talk.state is not State.OPEN:  # the peer takes nothing more
            self._fail(PathCut("the other end of the WebSocket has closed it"))
            return
        for at in range(0, len(data), MESSAGE):
            self._talk.send_binary(data[at : at + MESSAGE])
        self._flush()

    def _send_eof(self) -> None:
        if self._talk.state is State.OPEN:
            self._talk.send_binary(b"")
            self._flush()

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


async def connect_ws(
    sock: socket.socket, server: str, path: str, *, timeout: float = HANDSHAKE_TIMEOUT
) -> WsTransport:
    """Be the client on ``sock``, which is owned from here on, closed whatever goes wrong.

    Raises `Refused` with the front's status, `ProtocolError`, `PathCut`, or TimeoutError.
    """
    talk = ClientProtocol(parse_uri(f"ws://{server}{path}"), max_size=(None, MAX_FRAME))
    return await open_layer(sock, WsTransport(talk), timeout, "WebSocket")


async def accept_ws(
    sock: socket.socket, path: str, begun: bytes = b"", *, timeout: float = HANDSHAKE_TIMEOUT
) -> WsTransport:
    """Be the server; ``begun`` is what has been read already. Raises as `connect_ws`.

    A browser is not let in (it says whose page asks, by ``Origin``): any page that somebody behind
    our firewall looks at could speak with services through it.
    """
    talk = ServerProtocol(origins=[None], max_size=(None, MAX_FRAME))
    transport = WsTransport(talk, path, begun)
    return await open_layer(sock, transport, timeout, "WebSocket")
