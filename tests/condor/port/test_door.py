"""HTCondor's clients at our port: to whom they get, and how they are let go."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from glasnost.condor.port.connect import Connect
from glasnost.condor.port.daemons import Daemons
from glasnost.condor.port.door import Door, Serve, reply_id
from glasnost.core.wire.header import Call
from glasnost.net import handover
from glasnost.net.port import Incoming, SharedPort
from glasnost.net.sockets import listen_tcp
from tests.condor.port.endpoints import connect_message, let_go, listen_at, message, take
from tests.net.pairs import LOOPS, descriptors, run, until

pytestmark = pytest.mark.parametrize("loop", LOOPS)

COOKIE = "0d" * 32
REPLY = bytes(range(16))
QUERY = message(struct.pack(">q", 48) + b"a query")


class Site:
    """A port with HTCondor's door in it, and a host with one service and one dial-back."""

    def __init__(self, folder: Path, **more: Any) -> None:
        self.bare: list[Incoming] = []
        self.own: list[tuple[socket.socket, str]] = []
        self.daemons = Daemons(folder, COOKIE)
        self.endpoints: dict[str, Serve] = {"own": lambda *args: self.own.append(args)}
        door = Door(self, self.daemons, self.endpoints, **({"default": "collector"} | more))
        self.port = SharedPort(lambda incoming: incoming.sock.close(), foreign=door)
        listener = listen_tcp("127.0.0.1", 0)
        self.number: int = listener.getsockname()[1]
        self.port.listen(listener)

    def give(self, incoming: Incoming) -> bool:
        if incoming.call not in (Call(to="web"), Call(reply=REPLY)):
            return False
        self.bare.append(incoming)
        return True

    def call(
        self, id: str, behind: bytes = b"", client: str = "TOOL", deadline: int = -1
    ) -> socket.socket:
        return self.say(connect_message(Connect(id, client, deadline)) + behind)

    def say(self, data: bytes) -> socket.socket:
        sock = socket.create_connection(("127.0.0.1", self.number))
        sock.sendall(data)
        sock.setblocking(False)
        return sock


@asynccontextmanager
async def site(folder: Path, **more: Any) -> AsyncIterator[Site]:
    before = descriptors()
    here = Site(folder, **more)
    try:
        yield here
    finally:
        here.port.close()
        here.daemons.close()
        for sock in [*(one.sock for one in here.bare), *(sock for sock, _ in here.own)]:
            sock.close()
    await until(lambda: descriptors() == before)


async def aside(work: Callable[[], socket.socket]) -> socket.socket:
    """What a process of its own would do meanwhile."""
    return await asyncio.to_thread(work)


def test_a_service_gets_the_bare_connection(loop: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with site(tmp_path) as here:
            with here.call("web", b"what the client says"):
                await until(lambda: here.bare)
                assert here.bare[0].sock.recv(100) == b"what the client says"
                assert here.bare[0].call == Call(to="web")

    run(loop, scenario())


def test_a_dial_back_finds_who_expects_it(loop: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with site(tmp_path) as here:
            with here.call(reply_id(REPLY), b"hello"):
                await until(lambda: here.bare)
                assert here.bare[0].call == Call(reply=REPLY)
                assert here.bare[0].sock.recv(100) == b"hello"
            await let_go(here.call(reply_id(bytes(16))))
            await let_go(here.call(reply_id(REPLY)[:-1]))

    run(loop, scenario())


def test_an_endpoint_of_this_process_is_called(loop: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with site(tmp_path) as here:
            with here.call("own", QUERY) as sock:
                await until(lambda: here.own)
                [(ours, peer)] = here.own
                assert ours.recv(100) == QUERY
                assert peer == "127.0.0.1:%d" % sock.getsockname()[1]

    run(loop, scenario())


@pytest.mark.parametrize("piecemeal", [True, False], ids=["13 and 1", "14 at once"])
@pytest.mark.parametrize("abstract", [True, False], ids=["abstract", "file"])
def test_a_daemon_gets_the_connection_by_its_socket(
    loop: str, tmp_path: Path, abstract: bool, piecemeal: bool
) -> None:
    async def scenario() -> None:
        async with site(tmp_path) as here:
            name = f"schedd_{os.getpid()}_0d4b"
            place = f"{COOKIE}/{name}".encode() if abstract else tmp_path / name
            with listen_at(place) as listener, here.call(name, QUERY) as caller:
                with await aside(lambda: take(listener, piecemeal)) as taken:
                    assert taken.recv(100) == QUERY
                    await until(lambda: here.daemons.counts["succeeded"] == 1)
                    # Only the daemon's copy is left: when it closes, the client sees the end.
                    taken.sendall(b"answer")
                loop_ = asyncio.get_running_loop()
                assert await loop_.sock_recv(caller, 100) == b"answer"
                assert await loop_.sock_recv(caller, 100) == b""
            assert here.daemons.counts == {"succeeded": 1, "failed": 0, "blocked": 0, "pending": 0}

    run(loop, scenario())


def test_the_abstract_socket_comes_first(loop: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with site(tmp_path) as here:
            name = "both"
            with (
                listen_at(f"{COOKIE}/{name}".encode()) as abstract,
                listen_at(tmp_path / name),
                here.call(name, QUERY),
            ):
                with await aside(lambda: take(abstract)) as taken:
                    assert taken.recv(100) == QUERY

    run(loop, scenario())


def test_our_copy_is_kept_until_the_daemon_has_closed(loop: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with site(tmp_path) as here:
            with listen_at(tmp_path / "slow") as listener:
                caller = here.call("slow", QUERY)
                await until(lambda: here.daemons.counts["pending"] == 1)
                through, _ = await asyncio.to_thread(listener.accept)
                assert here.daemons.counts["pending"] == 1
                through.close()  # it has taken nothing: the kernel closes what was on its way
                await let_go(caller)
                await until(lambda: here.daemons.counts["pending"] == 0)

    run(loop, scenario())


@pytest.mark.parametrize("default", ["collector", "own"])
def test_who_names_nobody_gets_to_the_default_with_all_he_said(
    loop: str, tmp_path: Path, default: str
) -> None:
    async def scenario() -> None:
        async with site(tmp_path, default=default) as here:
            with listen_at(tmp_path / "collector") as listener, here.say(QUERY):
                if default == "own":
                    await until(lambda: here.own)
                    assert here.own[0][0].recv(100) == QUERY
                else:
                    with await aside(lambda: take(listener)) as taken:
                        assert taken.recv(100) == QUERY

    run(loop, scenario())


@pytest.mark.parametrize("words", [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00\x01" * 5])
def test_the_web_goes_where_it_is_said(loop: str, tmp_path: Path, words: bytes) -> None:
    async def scenario() -> None:
        async with site(tmp_path, web="http_api") as here:
            with listen_at(tmp_path / "http_api") as listener, here.say(words):
                with await aside(lambda: take(listener)) as taken:
                    assert taken.recv(100) == words
        async with site(tmp_path) as here:
            await let_go(here.say(words))

    run(loop, scenario())


REFUSED = ["", "nobody", "../nobody", "a/b", "a b", "..", ".", "self", "x" * 1023, "x" * 107]


@pytest.mark.parametrize("id", REFUSED)
def test_whoever_calls_nobody_is_let_go(loop: str, tmp_path: Path, id: str) -> None:
    async def scenario() -> None:
        async with site(tmp_path) as here:
            await let_go(here.call(id, QUERY))

    run(loop, scenario())


WRONG = [
    ("an id that is too long", connect_message(Connect("x" * 1024))),
    ("101 further texts", connect_message(Connect("web"))[:-8] + struct.pack(">q", 101)),
    ("no message", b"hello world, who is there?"),
    ("a frame of more than 1 MiB", b"\x01\x00\x10\x00\x01" + bytes(20)),
]


@pytest.mark.parametrize("data", [case[1] for case in WRONG], ids=[case[0] for case in WRONG])
def test_nonsense_is_let_go(loop: str, tmp_path: Path, data: bytes) -> None:
    async def scenario() -> None:
        async with site(tmp_path) as here:
            await let_go(here.say(data))
            assert here.bare == []

    run(loop, scenario())


def test_who_calls_itself_does_not_go_round(loop: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with site(tmp_path) as here:
            with listen_at(tmp_path / "schedd_1_a") as listener:
                name = "SCHEDD <127.0.0.1:9618?addrs=127.0.0.1-9618&sock=schedd_1_a>"
                await let_go(here.call("schedd_1_a", QUERY, client=name))
                listener.setblocking(False)
                with pytest.raises(BlockingIOError):
                    listener.accept()

    run(loop, scenario())


def test_a_full_queue_is_tried_again_until_there_is_room(loop: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with site(tmp_path) as here:
            with listen_at(tmp_path / "busy", backlog=0) as listener:
                callers = [here.call("busy", b"%d" % number) for number in range(3)]
                await until(lambda: here.daemons.counts["pending"] == 3)
                said = set()
                for _ in callers:
                    with await aside(lambda: take(listener)) as taken:
                        said.add(taken.recv(9))
                assert said == {b"0", b"1", b"2"}
                for caller in callers:
                    await let_go(caller)

    run(loop, scenario())


def test_a_client_that_would_not_wait_is_not_kept(loop: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with site(tmp_path) as here:
            with listen_at(tmp_path / "busy", backlog=0):
                first = here.call("busy")
                await until(lambda: here.daemons.counts["pending"] == 1)
                await let_go(here.call("busy", deadline=0))
                assert here.daemons.counts["blocked"] == 1
                first.close()

    run(loop, scenario())


def test_no_more_are_under_way_than_there_is_room_for(
    loop: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        monkeypatch.setattr(handover, "MAX_UNDER_WAY", 2)
        async with site(tmp_path) as here:
            with listen_at(tmp_path / "busy"):
                callers = [here.call("busy") for _ in range(2)]
                await until(lambda: here.daemons.counts["pending"] == 2)
                await let_go(here.call("busy"))
                for caller in callers:
                    caller.close()

    run(loop, scenario())


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be somebody else")
def test_a_daemon_of_a_strangers_is_not_trusted(loop: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with site(tmp_path) as here:
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(str(tmp_path / "theirs"))
                os.seteuid(12345)
                try:
                    listener.listen()
                finally:
                    os.seteuid(0)
                await let_go(here.call("theirs", QUERY))
                with listener.accept()[0] as through:
                    assert through.recv(100) == b""

    run(loop, scenario())
