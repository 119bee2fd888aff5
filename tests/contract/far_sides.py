"""Far sides of the kinds whose streams are carried, by implementations that are not ours."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
import ssl
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import cast

from websockets.exceptions import WebSocketException
from websockets.server import ServerProtocol
from websockets.sync.server import Server, ServerConnection

from glasnost.settings import Settings, TlsSetting
from glasnost.stages import Means
from glasnost.testing.carried import Far
from glasnost.testing.contracts import TAIL
from tests.stages.fronts import NAME, certificate


def tls(folder: Path) -> Far:
    """asyncio's own TLS."""
    shown = certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(shown.authority, shown.key)
    setting = TlsSetting(authorities=str(shown.authority))
    means = Means(settings=Settings(tls={NAME: setting}))
    plays = functools.partial(_play_tls, context)
    return Far("tls", f"public/ip4:192.0.2.1:443/tls:{NAME}", plays, means)


async def _play_tls(context: ssl.SSLContext, sock: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    with sock:
        transport, _ = await loop.connect_accepted_socket(lambda: protocol, sock, ssl=context)
        writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        try:
            writer.write(TAIL)
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


def ws() -> Far:
    """The server of the library `websockets`, in a thread. Its end is an empty message, as ours."""
    return Far("ws", f"public/ip4:192.0.2.1:80/ws:{NAME}:%2Fglasnost", _play_ws)


async def _play_ws(sock: socket.socket) -> None:
    sock.setblocking(True)
    with sock:
        await asyncio.to_thread(_speak_websocket, sock)


def _speak_websocket(sock: socket.socket) -> None:
    # A whole server would have sockets of its own; all that is asked of it is whether it closes.
    server = cast(Server, SimpleNamespace(socket_closed=threading.Event()))
    talk = ServerConnection(sock, ServerProtocol(), server, max_queue=None)
    with contextlib.suppress(WebSocketException, OSError, EOFError):
        talk.handshake()
        talk.send(TAIL)
        while data := talk.recv():
            talk.send(data)
        talk.send(b"")
        talk.recv()  # until it closes
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
    talk.recv_events_thread.join()
