"""A pool as a client sees it: collectors that answer, that do not, and that lie."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from glasnost.condor import pool as module
from glasnost.condor.caller import Caller
from glasnost.condor.classad import Ad
from glasnost.condor.commands import Command, Level
from glasnost.condor.pool import Pool, with_port
from glasnost.condor.questions import about
from glasnost.condor.reaching import Reaching
from glasnost.condor.security.methods.base import Doorkeeper, Login
from glasnost.condor.security.methods.kinds import Method
from glasnost.condor.security.negotiation import Policy
from glasnost.condor.security.sessions import ServerSessions
from glasnost.condor.security.tokens import make_token, signing_key
from glasnost.condor.security.words import Word
from glasnost.condor.server.call import Call, Then
from glasnost.condor.stages import KINDS as HTCONDOR
from glasnost.errors import (
    ConnectFailed,
    GlasnostError,
    PathCut,
    ProtocolError,
    Refused,
    Unavailable,
)
from glasnost.roles.experience import Experience
from glasnost.roles.standing import alone
from glasnost.settings import Settings
from glasnost.stages import register
from tests.condor.daemon import RAW, Handler, answering, caller, daemon
from tests.stages.crossing import play

register(HTCONDOR)

ADS = [
    Ad({"MyType": "Scheduler", "Name": f"s{n}@h", "MyAddress": f"<192.0.2.1:{n}>"}) for n in (1, 2)
]
KEY = signing_key("POOL", bytes(range(64)))


@contextlib.contextmanager
def pool_of(*collectors: str, who: Caller | None = None) -> Any:
    who = who or caller()
    with Reaching(alone(Settings(), Experience()), who.config) as reaching:
        yield Pool(who, reaching, collectors, timeout=10)


# --- answers --------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", [None, RAW], ids=["negotiated", "raw"])
def test_a_collector_is_asked_and_answers(policy: Policy | None) -> None:
    async def scenario() -> None:
        heard: list[tuple[int, Ad]] = []
        async with daemon(answering(ADS, heard)) as collector:
            with pool_of(collector.address, who=caller(policy)) as pool:
                found = await pool.ads(about("schedd", "X > 1", ["Name"]))
        assert [ad["Name"] for ad in found] == ["s1@h", "s2@h"]
        ((command, question),) = heard
        assert command == Command.QUERY_SCHEDD_ADS
        assert question == about("schedd", "X > 1", ["Name"]).ad

    play(scenario)


def test_nothing_found_is_an_answer() -> None:
    async def scenario() -> None:
        async with daemon(answering([])) as collector:
            with pool_of(collector.address) as pool:
                assert await pool.ads(about()) == []
                assert await pool.locate("nobody") == []

    play(scenario)


def test_an_answer_comes_in_batches_and_can_be_left() -> None:
    """Nobody has to wait for the end of 5,000 ads, nor to take it."""

    async def scenario() -> None:
        many = [Ad({"Name": f"slot{n}@host", "Padding": "x" * 900}) for n in range(5000)]
        async with daemon(answering(many)) as collector:
            with pool_of(collector.address) as pool:
                assert len(await pool.ads(about())) == 5000
                async with contextlib.aclosing(pool.query(about())) as batches:
                    async for batch in batches:
                        assert 0 < len(batch) < 5000
                        break

    play(scenario)


def test_a_session_is_used_again_and_made_anew_where_it_is_forgotten() -> None:
    async def scenario() -> None:
        async with daemon(answering(ADS)) as collector:
            with pool_of(collector.address) as pool:
                sessions = collector.server.sessions
                for _ in range(3):
                    await pool.ads(about())
                assert len(sessions) == 1
                collector.server.sessions = ServerSessions()
                assert len(await pool.ads(about())) == 2
                assert len(collector.server.sessions) == 1

    play(scenario)


def test_the_next_collector_is_asked_where_one_cannot_be() -> None:
    async def scenario() -> None:
        with socket.create_server(("127.0.0.1", 0)) as gone:
            dead = f"127.0.0.1:{gone.getsockname()[1]}"
        async with daemon(answering(ADS)) as collector:
            with pool_of(dead, collector.address) as pool:
                assert len(await pool.ads(about())) == 2
        with pool_of(dead, dead) as pool, pytest.raises(Unavailable, match="no collector answers"):
            await pool.ads(about())
        with pool_of(dead) as pool, pytest.raises(ConnectFailed, match="connection refused"):
            await pool.ads(about())
        with pool_of() as pool, pytest.raises(Unavailable, match="COLLECTOR_HOST"):
            await pool.ads(about())

    play(scenario)


# --- liars ----------------------------------------------------------------------------------------

Lie = Callable[[Call], Awaitable[None]]


async def say(call: Call, *numbers: int, rest: bytes = b"") -> None:
    writer = call.stream.writer()
    for number in numbers:
        writer.integer(number)
    if rest:
        writer.raw(rest)
    await call.stream.send(writer)


async def nothing(call: Call) -> None:
    """And closes."""


async def neither_yes_nor_no(call: Call) -> None:
    await say(call, 7)


async def a_million_attributes(call: Call) -> None:
    await say(call, 1, 1_000_000)


async def fewer_than_none(call: Call) -> None:
    await say(call, 1, -5)


async def half_an_ad(call: Call) -> None:
    await say(call, 1, 3)


async def more_behind_the_end(call: Call) -> None:
    await say(call, 0, 1)


async def no_tag(call: Call) -> None:
    """A packet that was not sealed with the session's key."""
    call.stream.sock.send(struct.pack(">BI", 1, 64) + bytes(64))


async def too_long(call: Call) -> None:
    call.stream.sock.send(struct.pack(">BI", 0, 1 << 24))


async def half_a_packet(call: Call) -> None:
    call.stream.sock.send(struct.pack(">BI", 1, 64) + bytes(10))


async def the_same_packet_twice(call: Call) -> None:
    """Replayed: its number is part of what seals it."""
    writer = call.stream.writer()
    writer.integer(1)
    sealed = call.stream._sealed(writer.take(), False)
    call.stream.sock.send(sealed + sealed)


LIES: list[tuple[Lie, type[GlasnostError], str]] = [
    (nothing, PathCut, "closed the connection before it answered"),
    (neither_yes_nor_no, ProtocolError, "7 where it says whether an ad follows"),
    (a_million_attributes, ProtocolError, "an ad of 1000000 attributes"),
    (fewer_than_none, ProtocolError, "an ad of -5 attributes"),
    (half_an_ad, ProtocolError, "ends in the middle"),
    (more_behind_the_end, ProtocolError, "goes on behind its end"),
    (no_tag, ProtocolError, "tag|sealed|key"),
    (too_long, ProtocolError, "no packet of CEDAR begins with"),
    (half_a_packet, PathCut, "within a packet"),
    (the_same_packet_twice, ProtocolError, "tag|sealed|key"),
]


@pytest.mark.parametrize(("lie", "kind", "why"), LIES, ids=[one[0].__name__ for one in LIES])
def test_a_collector_that_lies_is_told_of_in_a_sentence(
    lie: Lie, kind: type[GlasnostError], why: str
) -> None:
    async def lying(call: Call) -> Then:
        await call.payload()
        await lie(call)
        return Then.CLOSE

    async def scenario() -> None:
        async with daemon({Command.QUERY_STARTD_ADS: lying}) as collector:
            with pool_of(collector.address) as pool, pytest.raises(kind, match=why) as caught:
                await pool.ads(about())
        assert str(caught.value).strip() and "\n" not in str(caught.value)

    play(scenario)


def test_a_collector_that_says_nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.2)

    async def silent(call: Call) -> Then:
        await asyncio.Event().wait()
        raise AssertionError

    async def scenario() -> None:
        async with daemon({Command.QUERY_STARTD_ADS: silent}) as collector:
            with (
                pool_of(collector.address) as pool,
                pytest.raises(Unavailable, match=r"nothing for 0\.2 s"),
            ):
                await pool.ads(about())

    play(scenario)


def test_more_ads_than_any_pool_has_are_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ADS", 1)

    async def scenario() -> None:
        async with daemon(answering(ADS)) as collector:
            with pool_of(collector.address) as pool:
                with pytest.raises(ProtocolError, match="more than 1 ads: ask for less"):
                    await pool.ads(about())

    play(scenario)


def test_an_answer_without_end_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is said of a name is less than what is said of a pool."""
    monkeypatch.setattr(module, "MAX_LOCATED", 1 << 20)

    async def endless(call: Call) -> Then:
        ad = Ad({"Padding": "x" * 8000})
        with contextlib.suppress(GlasnostError):
            while True:
                writer = call.stream.writer()
                writer.integer(1)
                writer.ad(ad.lines())
                await call.stream.send(writer, last=False)
        return Then.CLOSE

    async def scenario() -> None:
        handlers: dict[Command, Handler] = {
            Command.QUERY_STARTD_ADS: endless,
            Command.QUERY_ANY_ADS: endless,
        }
        async with daemon(handlers) as collector:
            with pool_of(collector.address) as pool:
                with pytest.raises(ProtocolError, match="more than 2 MiB: ask for less"):
                    await pool.ads(about(), 2 << 20)
                with pytest.raises(ProtocolError, match="more than 1 MiB: ask for less"):
                    await pool.locate("x")

    play(scenario)


# --- pings ----------------------------------------------------------------------------------------


def keeper() -> Doorkeeper:
    return Doorkeeper(
        uid_domain="wire.test",
        trust_domain="wire.test",
        signing_keys={"POOL": KEY},
        clock=time.time,
    )


def with_token(
    lifetime: float | None = None, issuer: str = "wire.test", key: bytes = KEY
) -> Caller:
    import time

    token = make_token(key, "POOL", issuer, f"carol@{issuer}", b"id", time.time() - 60, lifetime)
    policy = Policy(authentication=Word.REQUIRED, methods=(Method.TOKEN,))
    return caller(policy, Login(tokens=(token,)))


TOKENS = Policy(authentication=Word.REQUIRED, methods=(Method.TOKEN,), duration=3600)


def test_a_ping_says_who_we_are_and_what_we_may() -> None:
    async def scenario() -> None:
        who = with_token()
        async with daemon(
            policy=TOKENS,
            keeper=keeper(),
            allow=lambda level, who, where: level is Level.READ and who.user == "carol@wire.test",
        ) as one:
            with pool_of(who=who) as pool:
                read = await pool.ping(one.address)
                assert read.allowed and read.level is Level.READ
                session = read.connected.result.session
                assert session is not None
                assert session.identity.user == "carol@wire.test"
                assert session.identity.method == "IDTOKENS" and session.key is not None
                assert str(read.connected.path.route) == f"public/ip4:127.0.0.1:{one.port}"
                assert not (await pool.ping(one.address, Level.DAEMON)).allowed

    play(scenario)


REFUSALS: list[tuple[str, Callable[[], Caller], str]] = [
    ("expired", lambda: with_token(lifetime=30), "closed while we log in|authentication"),
    ("forged", lambda: with_token(key=bytes(32)), "closed while we log in|IDTOKENS"),
    ("foreign", lambda: with_token(issuer="elsewhere.test"), "closed while we log in"),
    (
        "none",
        lambda: caller(Policy(authentication=Word.NEVER, methods=())),
        "closed while we log in",
    ),
]


@pytest.mark.parametrize(
    ("who", "why"), [one[1:] for one in REFUSALS], ids=[one[0] for one in REFUSALS]
)
def test_who_is_not_let_in_is_told_so(who: Callable[[], Caller], why: str) -> None:
    async def scenario() -> None:
        async with daemon(policy=TOKENS, keeper=keeper()) as one:
            with pool_of(who=who()) as pool, pytest.raises(ConnectFailed, match=why):
                await pool.ping(one.address)

    play(scenario)


def test_who_may_not_have_a_command_has_reached_the_daemon() -> None:
    """And is told that, not that no route leads there."""

    async def scenario() -> None:
        async with daemon(answering(ADS), allow=lambda level, who, where: False) as one:
            with pool_of(one.address) as pool, pytest.raises(Refused, match="QUERY_STARTD_ADS"):
                await pool.ads(about())

    play(scenario)


def test_without_negotiation_nobody_can_be_asked() -> None:
    async def scenario() -> None:
        async with daemon() as one:
            with (
                pool_of(who=caller(RAW)) as pool,
                pytest.raises(Refused, match="in a negotiation, which is off"),
            ):
                await pool.ping(one.address)

    play(scenario)


def test_collectors_are_named_as_htcondor_names_them() -> None:
    assert [str(with_port(one, 9618)) for one in ("cm", "cm:5", "<cm?sock=c>", "::1")] == [
        "<cm:9618>",
        "<cm:5>",
        "<cm:9618?sock=c>",
        "<[::1]:9618>",
    ]
