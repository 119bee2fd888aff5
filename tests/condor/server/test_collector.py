"""The collector at its sockets: recorded conversations, and what becomes of bad ones."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from glasnost.condor.ccb.server import CcbServer
from glasnost.condor.classad import Ad, Expression
from glasnost.condor.client import ClientSettings
from glasnost.condor.collector import Answer, CollectorLimits
from glasnost.condor.collector.own import Own
from glasnost.condor.commands import Command
from glasnost.condor.security.methods.base import Login, Peer
from glasnost.condor.security.methods.kinds import Method
from glasnost.condor.security.negotiation import Policy
from glasnost.condor.security.sessions import ServerSessions
from glasnost.condor.security.words import Word
from glasnost.condor.server import collector
from glasnost.condor.server.collector import CollectorServer
from glasnost.condor.server.command import serve
from tests.condor.recorded import (
    CLIENT,
    SERVER,
    Conversation,
    RecordedChance,
    SayingAgain,
    conversations,
    other_side,
)
from tests.condor.server.desk import AES, RAW, all_of, desk, message, schedd
from tests.condor.test_recorded import SERVER_DIFFERS, server_of
from tests.net.pairs import run, tcp_pair, until

VECTORS = json.loads(
    (Path(__file__).parents[2] / "vectors/condor/collector.json").read_text("utf-8")
)
SCHEDD, ASK = Command.UPDATE_SCHEDD_AD, Command.QUERY_SCHEDD_ADS


@pytest.mark.parametrize("piece", [1, 7, 1 << 16])
def test_each_recorded_conversation_is_had_byte_by_byte(piece: int) -> None:
    """Raw, over sockets, whatever pieces it comes in; what is asked later is what was told."""

    async def scenario() -> None:
        async with desk(clock=lambda: 1000.0) as here:
            for conversation in VECTORS["conversations"]:
                with here.connect() as sock:
                    for frame in conversation["frames"]:
                        data = bytes.fromhex(frame["frame"])
                        if frame["dir"] == "server->client":
                            assert await all_of(sock, len(data)) == data
                        else:
                            for at in range(0, len(data), piece):
                                sock.send(data[at : at + piece])
                                await asyncio.sleep(0)
                    sock.shutdown(socket.SHUT_WR)
                    assert await all_of(sock) == b""

    asyncio.run(scenario())


#: The first was had when it did not know itself yet.
NOT_YET = "noauth_clear"
REAL = [one for one in conversations() if "server_version" in one.facts and one.name != NOT_YET]
#: What the real one had told of itself then.
ITSELF = Own(
    "My Pool - 127.0.0.1", "vm", "<127.0.0.1:39618?addrs=127.0.0.1-39618&alias=vm>", "{}", 0
)


@pytest.mark.parametrize("conversation", REAL, ids=repr)
def test_what_the_real_collector_said_of_itself_ours_says_too(conversation: Conversation) -> None:
    """Recorded with a client of no kin, in each of its modes; the answer to its query is made by
    our collector, and sealed with the recorded key."""

    async def scenario() -> None:
        (connection,) = conversation.connections
        server = server_of(conversation, ServerSessions(), [])
        collecting = CollectorServer(lambda: ITSELF, lambda who, where: False)
        query = Command.QUERY_COLLECTOR_ADS
        server.commands = {**server.commands, query: collecting.commands()[query]}
        endpoint = str(connection.first_ad(CLIENT)["ConnectSinful"]).strip("<>")
        expected = [frame for frame in connection.frames if frame.by == SERVER]
        ours, theirs = tcp_pair()
        with ours, theirs:
            chance = RecordedChance.of(connection, SERVER)
            stream = SayingAgain(ours, chance, expected, SERVER_DIFFERS)
            async with asyncio.timeout(10), asyncio.TaskGroup() as both:
                both.create_task(serve(stream, server, "127.0.0.1:5", Peer(endpoint)))
                await other_side(theirs, connection.frames, SERVER)
        assert expected == []
        await collecting.close()

    run("asyncio", scenario())


def test_the_real_conversations_are_all_there() -> None:
    assert len(REAL) == 5


# --- updates and queries --------------------------------------------------------------------------


@pytest.mark.parametrize("settings", [RAW, AES], ids=["raw", "AES"])
def test_what_is_told_is_asked_for(settings: ClientSettings) -> None:
    async def scenario() -> None:
        async with desk() as here:
            await here.tell([schedd("a", X=1), schedd("b", X=2)], SCHEDD, settings)
            found = await here.ask(ASK, settings, Requirements=Expression("X > 1"))
            assert [ad["Name"] for ad in found] == ["b"]
            assert found[0]["AuthenticatedIdentity"] == "unauthenticated@unmapped"
            limited = await here.ask(ASK, settings, LimitResults=1, Projection="X Name")
            assert [dict(ad) for ad in limited] == [{"Name": "a", "X": 1}]
            gone = Ad({"MyType": "Query", "TargetType": "Scheduler"}).merged(schedd("a"))
            await here.tell([gone], Command.INVALIDATE_SCHEDD_ADS, settings)
            left = await here.ask(ASK, settings, Requirements=Expression('Name != "c"'))
            assert [ad["Name"] for ad in left] == ["b"]

    asyncio.run(scenario())


def test_it_tells_of_itself_as_things_stand() -> None:
    async def scenario() -> None:
        async with desk() as here:
            await here.tell([schedd("a")], SCHEDD)
            (own,) = await here.ask(Command.QUERY_COLLECTOR_ADS)
            assert (own["Name"], own["MyAddress"]) == ("My Pool@vm", "<127.0.0.1:9618>")
            assert (own["ScheddAds"], own["SubmitterAds"]) == (1, 0)
            several = await here.ask(
                Command.QUERY_MULTIPLE_ADS, TargetType="Collector,Scheduler", Projection="MyType"
            )
            assert [ad["MyType"] for ad in several] == ["Collector", "Scheduler"]
            assert len(await here.ask(Command.QUERY_ANY_ADS)) == 2

    asyncio.run(scenario())


def test_an_ad_is_gone_when_its_time_is_over() -> None:
    async def scenario() -> None:
        async with desk() as here:
            await here.tell([schedd("a", ClassAdLifetime=0), schedd("b")], SCHEDD)
            await until(lambda: here.collector.counts == {"Scheduler": 1})

    asyncio.run(scenario())


def test_secrets_are_for_negotiators_on_channels_that_hide_them() -> None:
    idle = Policy(ciphers=("BLOWFISH",), methods=())
    asks = {"SendPrivateAttributes": True}

    async def scenario() -> None:
        ads = [schedd("a", ClaimId="secret")]
        async with desk() as here:
            await here.tell(ads, SCHEDD)
            (found,) = await here.ask(ASK, AES, **asks)
            assert found["ClaimId"] == "secret"
            (found,) = await here.ask(ASK, ClientSettings(idle, tag="idle"), **asks)
            assert "ClaimId" not in found
            (found,) = await here.ask(ASK, AES)
            assert "ClaimId" not in found
        async with desk({"DAEMON": ("*",)}) as here:
            await here.tell(ads, SCHEDD)
            (found,) = await here.ask(ASK, AES, **asks)
            assert "ClaimId" not in found

    asyncio.run(scenario())


def test_who_sent_an_ad_is_what_its_connection_knows() -> None:
    claims = Policy(Word.REQUIRED, methods=(Method.CLAIMTOBE,))
    settings = ClientSettings(claims, login=Login(user="condor@wire.test"))

    async def scenario() -> None:
        async with desk() as here:
            lies = schedd("a", AuthenticatedIdentity="root@x", LastHeardFrom=1)
            await here.tell([lies], SCHEDD, settings)
            (found,) = await here.ask(ASK)
            assert found["AuthenticatedIdentity"] == "condor@wire.test"
            assert found["AuthenticationMethod"] == "CLAIMTOBE"
            assert found["LastHeardFrom"] != 1

    asyncio.run(scenario())


# --- bad ones -------------------------------------------------------------------------------------

CLOSED = [
    ("an update by who may not", SCHEDD, [schedd("a")], {"READ": ("*",), "DAEMON": ()}),
    ("a query by who may not", ASK, [Ad()], {"READ": ("10.0.0.0/8",), "WRITE": (), "DAEMON": ()}),
    ("private ads", Command.QUERY_STARTD_PVT_ADS, [Ad()], {"DAEMON": ("*",)}),
    ("a generic ad without a type", Command.UPDATE_AD_GENERIC, [Ad({"Name": "x"})], None),
    ("a generic query without a table", Command.QUERY_GENERIC_ADS, [Ad()], None),
    ("no expression", SCHEDD, [schedd("a", X=Expression("1 +"))], None),
    ("a query with more behind it", ASK, [Ad(), Ad()], None),
    ("no ad", SCHEDD, [], None),
    ("an ad that is too large", SCHEDD, [schedd("a", X="x" * (1 << 20))], None),
]


@pytest.mark.parametrize(
    ("command", "ads", "allow"), [case[1:] for case in CLOSED], ids=[case[0] for case in CLOSED]
)
def test_what_is_refused_is_closed_without_a_word(
    command: int, ads: list[Ad], allow: dict[str, tuple[str, ...]] | None
) -> None:
    async def scenario() -> None:
        async with desk(*([allow] if allow else [])) as here:
            with here.connect() as sock:
                with contextlib.suppress(OSError):
                    await asyncio.get_running_loop().sock_sendall(sock, message(command, *ads))
                assert await all_of(sock) == b""
            assert here.collector.counts == {}

    asyncio.run(scenario())


def test_an_ad_without_a_key_is_dropped_and_the_connection_stays() -> None:
    async def scenario() -> None:
        async with desk() as here:
            with here.connect() as sock:
                nameless = Ad({"MyType": "Scheduler"})
                sock.send(message(SCHEDD, nameless) + message(SCHEDD, schedd("a")))
                await until(lambda: here.collector.counts == {"Scheduler": 1})
                acknowledged = message(Command.UPDATE_STARTD_AD_WITH_ACK, Ad({"Name": "s"}))
                sock.send(acknowledged)
                assert await all_of(sock, 13) == bytes.fromhex("0100000008" + "00" * 7 + "01")

    asyncio.run(scenario())


def test_a_slow_reader_costs_two_pieces_and_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest of its answer is never made; others are answered meanwhile."""
    monkeypatch.setattr(collector, "PIECE_TIME", 0.5)
    made: list[int] = []
    pieces = Answer.pieces

    def counted(self: Answer, *args: Any) -> Iterator[bytes]:
        for piece in pieces(self, *args):
            made.append(len(piece))
            yield piece

    monkeypatch.setattr(Answer, "pieces", counted)

    async def scenario() -> None:
        async with desk() as here:
            ads = [schedd(f"s{number}", X="x" * 100_000) for number in range(300)]
            await here.tell(ads, SCHEDD)
            with here.connect() as slow:
                slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                slow.send(message(ASK, Ad({"MyType": "Query"})))
                await until(lambda: here.collector.answering == 1)
                name = Expression('Name == "s7"')
                assert len(await here.ask(ASK, Requirements=name)) == 1
                await until(lambda: here.collector.answering == 0)
            assert sum(made) < 15_000_000  # of 30; the kernel holds some

    asyncio.run(scenario())


def test_answers_under_way_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collector, "MAX_ANSWERS_OF_ONE", 1)

    async def scenario() -> None:
        async with desk() as here:
            ads = [schedd(f"s{number}", X="x" * 100_000) for number in range(300)]
            await here.tell(ads, SCHEDD)
            with here.connect() as slow:
                slow.send(message(ASK, Ad({"MyType": "Query"})))
                await until(lambda: here.collector.answering == 1)
                with here.connect() as sock:
                    sock.send(message(ASK, Ad({"MyType": "Query"})))
                    assert await all_of(sock) == b""
            await until(lambda: here.collector.answering == 0)
            name = Expression('Name == "s7"')
            assert len(await here.ask(ASK, Requirements=name)) == 1

    asyncio.run(scenario())


def test_requirements_that_are_none_are_closed_without_a_word() -> None:
    async def scenario() -> None:
        async with desk() as here:
            await here.tell([schedd("a")], SCHEDD)
            for text in ("1 + (", "Name ==", "{"):
                with here.connect() as sock:
                    sock.send(message(ASK, Ad({"Requirements": Expression(text)})))
                    assert await all_of(sock) == b""

    asyncio.run(scenario())


def test_a_full_table_refuses_and_keeps_what_it_has() -> None:
    async def scenario() -> None:
        async with desk(limits=CollectorLimits(ads=2)) as here:
            with here.connect() as sock:
                sock.send(b"".join(message(SCHEDD, schedd(name)) for name in "abc"))
                assert await all_of(sock) == b""
            assert [ad["Name"] for ad in await here.ask(ASK)] == ["a", "b"]

    asyncio.run(scenario())


def test_nobody_is_served_a_broker_s_stream_who_was_read_ahead() -> None:
    """After an update, more than one message may have been taken from the socket."""

    async def scenario() -> None:
        async with desk() as here:
            broker = CcbServer(lambda: "127.0.0.1:9618")
            here.server.commands = {**here.server.commands, **broker.commands()}
            with here.connect() as sock:
                sock.send(message(SCHEDD, schedd("a")) + message(Command.CCB_REQUEST, Ad()) + b"x")
                assert await all_of(sock) == b""
            await broker.close()

    asyncio.run(scenario())
