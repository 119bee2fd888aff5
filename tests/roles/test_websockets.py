"""``ws`` from end to end: the stage, and a shared port that takes WebSockets."""

from __future__ import annotations

import asyncio
import socket

import pytest

from glasnost.core.wire.header import Call
from glasnost.errors import StageFailed
from glasnost.net.port import Incoming, SharedPort
from glasnost.net.sockets import listen_tcp
from glasnost.roles.agent.websockets import WebSockets
from glasnost.settings import Settings
from glasnost.stages import Means
from glasnost.stages.walk import walk
from tests.net.pairs import until
from tests.stages.crossing import path, play_carried


class Behind:
    """A port that takes WebSockets at /glasnost, and keeps who calls."""

    def __init__(self) -> None:
        self.arrived: list[Incoming] = []
        self.websockets = WebSockets("/glasnost")
        self.port = SharedPort(self.arrived.append, upgrade=self._upgrade)
        listener = listen_tcp("127.0.0.1", 0)
        self.number = listener.getsockname()[1]
        self.port.listen(listener)

    def _upgrade(self, sock: socket.socket, begun: bytes, peer: str) -> None:
        self.websockets.take(self.port, sock, begun, peer)

    async def close(self) -> None:
        self.port.close()
        await self.websockets.close()


def through(behind: Behind, where: str = "%2Fglasnost") -> str:
    return f"public/ip4:127.0.0.1:{behind.number}/ws:gate.example.org:{where}/service:web"


def test_a_call_arrives_and_the_stream_behind_it() -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        behind = Behind()
        with await walk(path(through(behind)), Means()) as sock:
            await until(lambda: behind.arrived)
            (incoming,) = behind.arrived
            assert incoming.call == Call(to="web")
            assert incoming.peer.endswith(" by WebSocket")
            with incoming.sock:
                await loop.sock_sendall(sock, b"forth")
                assert await loop.sock_recv(incoming.sock, 100) == b"forth"
                await loop.sock_sendall(incoming.sock, b"back")
                assert await loop.sock_recv(sock, 100) == b"back"
                sock.shutdown(socket.SHUT_WR)
                assert await loop.sock_recv(incoming.sock, 100) == b""
                await loop.sock_sendall(incoming.sock, b"late")
                assert await loop.sock_recv(sock, 100) == b"late"
        await behind.close()

    play_carried(scenario)


def test_another_path_costs_the_route_a_sentence() -> None:
    async def scenario() -> None:
        behind = Behind()
        with pytest.raises(StageFailed) as caught:
            await walk(path(through(behind, "%2F")), Means())
        assert caught.value.stage == "ws:gate.example.org:%2F"
        assert caught.value.why == "the front says: 404 Not Found"
        await behind.close()

    play_carried(scenario)


def test_a_port_without_the_setting_takes_none() -> None:
    async def scenario() -> None:
        behind = Behind()
        behind.port._upgrade = None
        with pytest.raises(StageFailed, match=r"^stage 2 \(ws:.*a port that takes no WebSockets$"):
            await walk(path(through(behind)), Means())
        await behind.close()

    play_carried(scenario)


@pytest.mark.parametrize("wrong", ["glasnost", "/with space", "/ü", "/#x"])
def test_a_setting_that_is_no_path_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="is no path"):
        Settings(websocket=wrong)
