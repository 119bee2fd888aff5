"""``condor.ccb``: every way in which it can end, and that none leaves anything open."""

from __future__ import annotations

import asyncio
import dataclasses
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from glasnost.condor.addresses.reading import parse
from glasnost.condor.cedar.frames import HEADER
from glasnost.condor.cedar.values import Writer
from glasnost.condor.classad import Ad
from glasnost.condor.commands import Command
from glasnost.condor.doorstep import Doorstep
from glasnost.condor.port.serving import PortService
from glasnost.condor.server.call import Call, Then
from glasnost.condor.stages import KINDS as HTCONDOR
from glasnost.condor.stages.ccb import return_address
from glasnost.condor.stages.sock import connect_message
from glasnost.core.address import Route
from glasnost.core.routes import Way
from glasnost.errors import PathCut, ProtocolError, Refused, StageFailed, Unavailable
from glasnost.net.sockets import connect_tcp
from glasnost.roles.agent import Agent
from glasnost.roles.home import NodeIdentity
from glasnost.settings import CondorSetting, Settings
from glasnost.stages import Means, register
from glasnost.stages.walk import walk
from tests.condor.daemon import RAW, Daemon, caller, daemon
from tests.net.pairs import nothing_left_open, turns
from tests.roles import agent_lab
from tests.roles.agent_lab import known_host as known_host
from tests.roles.broker_lab import read
from tests.stages.crossing import crossing, path, play

register(HTCONDOR)

OLD = "$CondorVersion: 25.11.0 2026-01-01 BuildID: 1 $"


class Asked(NamedTuple):
    """A request as the broker has it, and what it can do about it."""

    call: Call
    ad: Ad
    over: asyncio.Future[Then]

    async def say(self, **values: str | bool) -> None:
        writer = self.call.stream.writer()
        writer.ad(Ad(values).lines())
        await self.call.stream.send(writer)

    def close(self) -> None:
        self.over.set_result(Then.CLOSE)

    async def relay(self, hello: bytes) -> socket.socket:
        """Begin to relay: what follows this message is the daemon's own."""
        await self.say(Result=True, ProxyMode=True)
        writer = self.call.stream.writer()
        writer.raw(hello)
        await self.call.stream.send(writer)
        self.over.set_result(Then.TAKEN)
        return self.call.stream.detach()


#: What a daemon says first, right behind its hello.
TAIL = b"\x01\0\0\0\x08first"


def packet(body: bytes) -> bytes:
    return HEADER.pack(1, len(body)) + body


def hello(claim: object, encrypted: bool, command: int = 69) -> bytes:
    """The body of a daemon's first message."""
    writer = Writer(encrypted)
    writer.integer(command)
    writer.ad(Ad({"ClaimId": str(claim), "RequestID": "1", "MyAddress": "<1.2.3.4:5>"}).lines())
    return writer.message()


class Scene:
    """A client on its way through ``condor.ccb:5``, with a port at which it can be dialled."""

    def __init__(self, broker: Daemon, asked: asyncio.Queue[Asked], timeout: float) -> None:
        self.broker, self._asked = broker, asked
        self.home = Doorstep(Settings(listen=("127.0.0.1",)))
        self.means = Means(expect=self.home.expect, timeout=timeout)
        self.deeds: list[tuple[int, str]] = []

    @property
    def port(self) -> int:
        number = self.home._listening.number
        assert number is not None
        return number

    def start(self, way: Way = "dial-back", **means: Any) -> asyncio.Task[socket.socket]:
        crossed = crossing(1, way, f"public/ip4:127.0.0.1:{self.port}")
        on = path(f"public/ip4:127.0.0.1:{self.broker.port}/condor.ccb:5", crossed)
        walking = walk(
            on,
            dataclasses.replace(self.means, **means),
            reached=lambda index, deed: self.deeds.append((index, deed)),
        )
        return asyncio.ensure_future(walking)

    async def asked(self) -> Asked:
        async with asyncio.timeout(10):
            return await self._asked.get()

    async def dial_back(
        self, asked: Asked, claim: object = None, command: int = 69, port: int = 0
    ) -> socket.socket:
        """As a daemon does: to our shared port, and the hello right behind that."""
        to = parse(str(asked.ad["MyAddress"]))
        assert to.port_number == (port or self.port)
        sock = await connect_tcp("127.0.0.1", port or self.port)
        body = hello(asked.ad["ClaimId"] if claim is None else claim, False, command)
        connect = connect_message(to.sock, 20, "STARTD")
        sock.send(connect + packet(body))
        return sock


@asynccontextmanager
async def scene(
    timeout: float = 10.0, *, raw: bool = False, version: str = ""
) -> AsyncIterator[Scene]:
    asked: asyncio.Queue[Asked] = asyncio.Queue()

    async def ask(call: Call) -> Then:
        message = await call.payload()
        over: asyncio.Future[Then] = asyncio.get_running_loop().create_future()
        asked.put_nowait(Asked(call, Ad.from_lines(message.ad()), over))
        return await over

    async with daemon({Command.CCB_REQUEST: ask}, version=version) as broker:
        one = Scene(broker, asked, timeout)
        try:
            with (caller(RAW) if raw else caller()).using():
                yield one
        finally:
            assert not len(one.home._replies), "no reply name is left"
            one.home.close()
            await turns()


async def failure(walking: asyncio.Task[socket.socket]) -> BaseException:
    """What it failed with, below the stage's own error."""
    with pytest.raises(StageFailed) as caught:
        async with asyncio.timeout(10):
            await walking
    assert str(caught.value).startswith("stage 2 (condor.ccb:5): ")
    assert caught.value.__cause__ is not None
    return caught.value.__cause__


# --- dial-back ------------------------------------------------------------------------------------


@pytest.mark.parametrize("raw", [False, True], ids=["negotiated", "raw"])
@pytest.mark.parametrize("order", ["before", "after", "alone"])
def test_the_dial_back_counts_whenever_the_brokers_word_comes(order: str, raw: bool) -> None:
    async def scenario() -> None:
        async with scene(raw=raw) as one:
            walking = one.start()
            asked = await one.asked()
            assert asked.call.stream.encrypted is not raw
            assert (asked.ad["CCBID"], asked.ad["Name"]) == ("5", "glasnost")
            assert len(str(asked.ad["ClaimId"])) == 40 and "CCBStreamingRequired" not in asked.ad
            if order == "after":
                await asked.say(Result=True, ErrorString="")
                await turns()
                assert not walking.done()
            target = await one.dial_back(asked)
            if order == "before":
                await asked.say(Result=True, ErrorString="")
            with target, await walking as sock:
                target.send(b"hello")
                assert await read(sock, 5) == b"hello"
                sock.send(b"you")
                assert await read(target, 3) == b"you"
            asked.close()

    play(scenario)


@pytest.mark.parametrize("drip", [False, True], ids=["at once", "byte by byte"])
@pytest.mark.parametrize("way", ["dial-back", "relay"])
def test_the_stream_begins_right_behind_the_hello(way: Way, drip: bool) -> None:
    """However the daemon's bytes come: not one of its own is taken."""

    async def scenario() -> None:
        async with scene(raw=True) as one:
            walking = one.start(way)
            asked = await one.asked()
            said = packet(hello(asked.ad["ClaimId"], False)) + TAIL
            if way == "relay":
                far = asked.call.stream.detach()
                asked.over.set_result(Then.TAKEN)
                writer = Writer()
                writer.ad(Ad({"Result": True, "ProxyMode": True}).lines())
                said = packet(writer.message()) + said
            else:
                far = await connect_tcp("127.0.0.1", one.port)
                said = connect_message(parse(str(asked.ad["MyAddress"])).sock, -1) + said
            with far:
                for piece in [bytes([byte]) for byte in said] if drip else [said]:
                    far.send(piece)
                    await asyncio.sleep(0)
                with await walking as sock:
                    assert await read(sock, len(TAIL)) == TAIL
                    far.close()
                    assert await read(sock, 1) == b""
            if way == "dial-back":
                asked.close()

    play(scenario)


Ending = Callable[[Scene, Asked], Awaitable[None]]


async def refused(one: Scene, asked: Asked) -> None:
    why = "CCB server rejecting request for ccbid 5 because no daemon is currently registered."
    await asked.say(Result=False, ErrorString=why)


async def refused_in_lines(one: Scene, asked: Asked) -> None:
    """As if the second line were our own, and with more than fits a screen."""
    await asked.say(Result=False, ErrorString="no\nglasnost: hint: run this\x1b[2J" + "!" * 9000)


async def refused_silently(one: Scene, asked: Asked) -> None:
    await asked.say(Result=False)


async def gone(one: Scene, asked: Asked) -> None:
    asked.close()


async def strange(one: Scene, asked: Asked) -> None:
    asked.call.stream.sock.send(b"\xff" * 64)


async def endless(one: Scene, asked: Asked) -> None:
    """A packet that says it has a million bytes, and many that say that more will come."""
    asked.call.stream.restart()
    for _ in range(40):
        await asyncio.get_running_loop().sock_sendall(
            asked.call.stream.sock, HEADER.pack(0, 4096) + bytes(4096)
        )


async def somebody_else(one: Scene, asked: Asked) -> None:
    (await one.dial_back(asked, claim="f" * 40)).close()


async def no_text(one: Scene, asked: Asked) -> None:
    (await one.dial_back(asked, claim="\udcff" * 40)).close()


async def another_command(one: Scene, asked: Asked) -> None:
    (await one.dial_back(asked, command=60010)).close()


async def half_a_hello(one: Scene, asked: Asked) -> None:
    to = parse(str(asked.ad["MyAddress"]))
    with await connect_tcp("127.0.0.1", one.port) as sock:
        sock.send(connect_message(to.sock, -1) + HEADER.pack(1, 100) + b"half")


async def a_daemon_that_ends(one: Scene, asked: Asked) -> None:
    one.home._replies.close()


SAYS_NO = "the broker says: "
ENDINGS: list[tuple[str, Ending, type[Exception], str]] = [
    ("refused", refused, Refused, f"{SAYS_NO}CCB server rejecting request for ccbid 5"),
    (
        "refused in lines",
        refused_in_lines,
        Refused,
        f"{SAYS_NO}no\\nglasnost: hint: run this\\x1b[2J" + "!" * 200,
    ),
    ("refused without a word", refused_silently, Refused, f"{SAYS_NO}it does not say why"),
    ("the broker closes", gone, PathCut, "closed the connection before it answered"),
    ("the broker talks nonsense", strange, ProtocolError, ""),
    ("the broker goes on and on", endless, ProtocolError, ""),
    ("somebody else dials", somebody_else, ProtocolError, "only the daemon was told"),
    ("a claim that is no text", no_text, ProtocolError, "only the daemon was told"),
    ("another command", another_command, ProtocolError, "only the daemon was told"),
    ("a hello breaks off", half_a_hello, PathCut, "within a packet"),
]


def test_nobody_comes() -> None:
    async def scenario() -> None:
        async with scene(timeout=0.3) as one:
            walking = one.start()
            asked = await one.asked()
            assert str(await failure(walking)) == "the daemon did not dial back within 0.3 s"
            asked.close()

    play(scenario)


def test_without_a_port_nobody_is_asked() -> None:
    async def scenario() -> None:
        async with scene() as one:
            why = await failure(one.start(expect=None))
            assert isinstance(why, Unavailable) and "no port" in str(why)

    play(scenario)


def test_all_return_routes_are_offered_in_one_address() -> None:
    routes = ["public/ip6:[2001:db8::7]:9618", "public/ip4:192.0.2.7:9618", "lab/ip4:10.0.0.7:9618"]
    told = return_address([Route.parse(one) for one in routes], "reply_1")
    assert str(told) == (
        "<192.0.2.7:9618?addrs=192.0.2.7-9618+10.0.0.7-9618+[2001-db8--7]-9618&sock=reply_1>"
    )
    with pytest.raises(Unavailable, match="no return route"):
        return_address([], "reply_1")


def test_a_daemon_dials_back_to_the_port_that_the_agent_has_open(
    tmp_path: Path, known_host: None
) -> None:
    async def scenario() -> None:
        settings = agent_lab.settings(condor=CondorSetting())
        service = PortService(settings)
        identity = NodeIdentity(agent_lab.settle(tmp_path))
        agent = Agent(identity, settings, tmp_path / "run", other=service.door)
        try:
            await agent.start()
            async with scene() as one:
                number = agent.port_number
                assert number is not None
                crossed = crossing(1, "dial-back", f"public/ip4:127.0.0.1:{number}")
                on = path(f"public/ip4:127.0.0.1:{one.broker.port}/condor.ccb:5", crossed)
                means = dataclasses.replace(one.means, expect=agent.expect)
                walking = asyncio.ensure_future(walk(on, means))
                asked = await one.asked()
                target = await one.dial_back(asked, port=number)
                with target, await walking as sock:
                    target.send(b"hello")
                    assert await read(sock, 5) == b"hello"
                asked.close()
        finally:
            await agent.close()
            await service.close()

    with nothing_left_open():
        asyncio.run(scenario())


# --- relay ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("raw", [False, True], ids=["negotiated", "raw"])
def test_a_relayed_stream_is_clear_behind_the_hello(raw: bool) -> None:
    async def scenario() -> None:
        async with scene(raw=raw) as one:
            walking = one.start("relay")
            asked = await one.asked()
            assert asked.ad["CCBStreamingRequired"] is True and asked.ad["MyAddress"] == ""
            far = await asked.relay(hello(asked.ad["ClaimId"], not raw))
            far.send(b"first")
            with far, await walking as sock:
                assert await read(sock, 5) == b"first"
                sock.send(b"you")
                assert await read(far, 3) == b"you"
            assert [deed for _, deed in one.deeds if deed] == [
                "connect",
                "log in at broker",
                "ask for relay",
            ]

    play(scenario)


async def not_relaying(one: Scene, asked: Asked) -> None:
    await asked.say(Result=True, ErrorString="")


async def relaying_somebody_else(one: Scene, asked: Asked) -> None:
    (await asked.relay(hello("f" * 40, True))).close()


async def relaying_no_text(one: Scene, asked: Asked) -> None:
    (await asked.relay(hello("\udcff" * 40, True))).close()


async def relaying_nothing(one: Scene, asked: Asked) -> None:
    await asked.say(Result=True, ProxyMode=True)
    asked.close()


RELAY_ENDINGS: list[tuple[str, Ending, type[Exception], str]] = [
    *ENDINGS[:5],
    ("it does not relay", not_relaying, ProtocolError, "does not say that it relays"),
    ("somebody else", relaying_somebody_else, ProtocolError, "only the daemon was told"),
    ("no text", relaying_no_text, ProtocolError, "only the daemon was told"),
    ("no hello", relaying_nothing, PathCut, "before it answered"),
]


CASES: list[tuple[Way, str, Ending, type[Exception], str]] = [
    *(("dial-back", *one) for one in ENDINGS),
    *(("relay", *one) for one in RELAY_ENDINGS),
]


@pytest.mark.parametrize(
    ("way", "ending", "kind", "says"),
    [(way, *rest) for way, _, *rest in CASES],
    ids=[f"{one[0]}: {one[1]}" for one in CASES],
)
def test_what_ends_it_is_said(way: Way, ending: Ending, kind: type[Exception], says: str) -> None:
    async def scenario() -> None:
        async with scene() as one:
            walking = one.start(way)
            asked = await one.asked()
            await ending(one, asked)
            why = await failure(walking)
            assert isinstance(why, kind), repr(why)
            assert says in str(why)
            if not asked.over.done():
                asked.close()

    play(scenario)


def test_a_broker_too_old_to_relay_is_not_asked() -> None:
    async def scenario() -> None:
        async with scene(version=OLD) as one:
            why = await failure(one.start("relay"))
            assert str(why) == "the broker runs HTCondor 25.11.0, and relays since 25.12"

    play(scenario)


@pytest.mark.parametrize("way", ["dial-back", "relay"])
def test_who_waits_may_go_at_any_time(way: Way) -> None:
    async def scenario() -> None:
        async with scene() as one:
            for count in range(1, 40):
                walking = one.start(way)
                for _ in range(count):
                    await asyncio.sleep(0)
                walking.cancel()
                done, _ = await asyncio.wait([walking], timeout=10)
                assert done and walking.cancelled()
            while not one._asked.empty():
                (await one.asked()).close()

    play(scenario)


def test_a_session_that_the_broker_has_forgotten_is_made_anew() -> None:
    async def scenario() -> None:
        async with scene() as one:
            for again in (False, True):
                walking = one.start("relay")
                asked = await one.asked()
                far = await asked.relay(hello(asked.ad["ClaimId"], True))
                with far, await walking:
                    session = asked.call.session
                assert session is not None
                if not again:
                    one.broker.server.sessions.drop(session.name)

    play(scenario)
