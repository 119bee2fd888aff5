"""Recorded conversations, had again with our client and with our server at one end."""

from __future__ import annotations

import asyncio
import re

import pytest

from glasnost.condor.cedar.values import Reader
from glasnost.condor.classad import Ad
from glasnost.condor.client import Call as ClientCall
from glasnost.condor.client import ClientSettings, start_command
from glasnost.condor.commands import Command
from glasnost.condor.security.ads import read_decision, read_request
from glasnost.condor.security.methods.base import Doorkeeper, Login, Peer
from glasnost.condor.security.methods.kinds import Method
from glasnost.condor.security.negotiation import Myself, Policy, Request
from glasnost.condor.security.sessions import ClientSessions, ServerSessions
from glasnost.condor.security.tokens import read_token, signing_key
from glasnost.condor.security.words import Word
from glasnost.condor.server.call import Call, Then
from glasnost.condor.server.command import nops, serve
from glasnost.condor.server.settings import Served, Server
from tests.condor.recorded import (
    CLIENT,
    SERVER,
    Connection,
    Conversation,
    Frame,
    RecordedChance,
    SayingAgain,
    conversations,
    other_side,
)
from tests.net.pairs import run, tcp_pair

#: What our own programs say otherwise than the ones that were recorded, each with its reason.
CLIENT_DIFFERS = {
    "NegotiatedSession": "the other clean-room client left it out",
}
#: A server that would have used ciphers and did not: for our part, it has none.
SERVER_DIFFERS = {"CryptoMethodsList"}
#: Half of these servers' part is not ours to say.
NOT_OUR_SERVER = {"query_fs_keywrap": "a server that has no half of a key though the client has"}
#: There the client has used two commands more than the server had named.
MORE_COMMANDS = "advertise_tcp_aes"


def is_raw(connection: Connection) -> bool:
    return Reader(connection.frames[0].plain).integer() != Command.DC_AUTHENTICATE


def request_of(connection: Connection) -> Request:
    return read_request(connection.first_ad(CLIENT))


def myself(ad: Ad) -> Myself:
    return Myself(
        version=str(ad["RemoteVersion"]),
        subsystem=str(ad.get("Subsystem", "TOOL")),
        pid=int(str(ad.get("ServerPid", 0))),
        trust_domain=str(ad.get("TrustDomain", "")),
        issuer_keys=tuple(str(ad["IssuerKeys"]).split(",")) if "IssuerKeys" in ad else (),
    )


def told(frame: Frame, count: bool) -> list[tuple[int, list[bytes]]]:
    """The numbers and ads of a message: a command with its ad, or an answer with all of its."""
    reader, found = Reader(frame.plain, frame.encrypted), []
    while reader.left:
        number = reader.integer() if count else -1
        found.append((number, reader.ad() if reader.left else []))
    return found


# --- our client ----------------------------------------------------------------------------------


def client_settings(conversation: Conversation, connection: Connection) -> ClientSettings:
    if is_raw(connection):
        return ClientSettings(Policy(negotiation=Word.NEVER))
    ad, request = connection.first_ad(CLIENT), request_of(connection)
    policy = Policy(
        request.authentication,
        request.encryption,
        request.integrity,
        methods=request.methods,
        ciphers=request.ciphers,
    )
    user = "alice" if conversation.name == "claimtobe_aes" else "root"
    token = conversation.facts.get("token")
    tokens = (read_token(token),) if token else ()
    login = Login(user=f"{user}@wire.test", tokens=tokens)
    return ClientSettings(policy, myself(ad), login)


async def be_client(
    stream: SayingAgain,
    conversation: Conversation,
    connection: Connection,
    settings: ClientSettings,
    sessions: ClientSessions,
) -> ClientCall:
    """Begin the command, say what belongs to it, and hear what is answered."""
    if is_raw(connection):
        command, address = Reader(connection.frames[0].plain).integer(), "<192.0.2.1:5>"
    else:
        ad = connection.first_ad(CLIENT)
        command, address = request_of(connection).command, str(ad["ConnectSinful"])
    peer = Peer(endpoint=address.strip("<>"))
    call = await start_command(stream, command, settings, sessions, address, 0.0, peer)
    first = True
    while stream.expected:
        frame = stream.expected[0]
        if is_raw(connection) or not first:
            [(number, lines)] = told(frame, count=True)
            writer = call.again(number)
        else:
            [(_, lines)] = told(frame, count=False)
            writer = call.writer()
        if lines:
            writer.ad(lines)
        await stream.send(writer)
        first = False
    for frame in connection.frames[-1:]:
        if frame.by == SERVER:
            answer = await stream.receive()
            assert answer.raw(answer.left) == frame.plain
    return call


@pytest.mark.parametrize("conversation", conversations(), ids=repr)
def test_our_client_says_what_was_said(conversation: Conversation) -> None:
    async def scenario() -> None:
        sessions = ClientSessions()
        settings = client_settings(conversation, conversation.connections[0])
        for connection in conversation.connections:
            expected = [frame for frame in connection.frames if frame.by == CLIENT]
            chance = RecordedChance.of(connection, CLIENT)
            ours, theirs = tcp_pair()
            with ours, theirs:
                differs = set(CLIENT_DIFFERS) - set(connection.first_ad(CLIENT))
                stream = SayingAgain(ours, chance, expected, differs)
                async with asyncio.timeout(10), asyncio.TaskGroup() as both:
                    both.create_task(other_side(theirs, connection.frames, CLIENT))
                    call = await be_client(stream, conversation, connection, settings, sessions)
            if call.session is not None:
                said = connection.secrets
                key = said.get("key") or said.get("aes_session_key")
                assert (call.session.key.key.hex() if call.session.key else None) == key

    run("asyncio", scenario())


# --- our server ----------------------------------------------------------------------------------


def server_of(conversation: Conversation, sessions: ServerSessions, heard: list[Frame]) -> Server:
    connection = conversation.connections[0]
    ad = Ad() if is_raw(connection) else connection.first_ad(SERVER)
    pool = conversation.facts.get("pool_key_file_hex")
    keys = {"POOL": signing_key("POOL", bytes.fromhex(pool))} if pool else {"POOL": bytes(32)}

    async def answer(call: Call) -> Then:
        frame = heard.pop(0)
        message = await call.payload()
        _, lines = told(frame, count=call.begun is not None)[0]
        assert message.ad() == lines
        message.end()
        if heard and heard[0].by == SERVER:
            writer = call.stream.writer()
            for number, found in told(heard.pop(0), count=True):
                writer.integer(number)
                if found:
                    writer.ad(found)
            await call.stream.send(writer)
        return Then.READ_ON

    served: dict[int, Served] = {
        number: Served.of(Command(number), answer) for number in commands(connection)
    }
    if conversation.name.startswith("advertise"):
        served[Command.DC_NOP] = nops()[Command.DC_NOP]
    return Server(
        commands=served,
        authorize=lambda level, who, where: True,
        policy=lambda level: server_policy(connection),
        me=lambda: myself(ad) if ad else Myself(),
        keeper=Doorkeeper("wire.test", signing_keys=keys),
        clock=lambda: 1_795_398_060.0,
        sessions=sessions,
    )


def commands(connection: Connection) -> set[int]:
    """Those that the server has named, and the one that was begun."""
    if is_raw(connection):
        return {Reader(connection.frames[0].plain).integer()}
    named = (re.search(rb'ValidCommands = "([^"]+)"', one.plain) for one in connection.frames)
    [found] = [match[1] for match in named if match]
    return {request_of(connection).command, *map(int, found.split(b","))}


def server_policy(connection: Connection) -> Policy:
    if is_raw(connection):
        return Policy()
    decision = read_decision(connection.first_ad(SERVER))
    word = Word.REQUIRED if decision.authentication else Word.OPTIONAL
    # A session that stays in clear though the client has half of a key: without any cipher.
    ciphers = decision.ciphers if decision.cipher else ()
    methods = decision.methods or (Method.FS,)
    return Policy(word, methods=methods, ciphers=ciphers, duration=3600)


def payloads(connection: Connection) -> list[Frame]:
    """What belongs to commands and their answers, behind the negotiation."""
    ends = [
        at
        for at, frame in enumerate(connection.frames)
        if b"ReturnCode" in frame.plain or is_raw(connection)
    ]
    rest = connection.frames if is_raw(connection) else connection.frames[ends[0] + 1 :]
    return [frame for frame in rest if len(frame.plain) > 8 or frame.by == SERVER]


@pytest.mark.parametrize(
    "conversation",
    [one for one in conversations() if one.name not in NOT_OUR_SERVER],
    ids=repr,
)
def test_our_server_says_what_was_said(conversation: Conversation) -> None:
    async def scenario() -> None:
        sessions = ServerSessions()
        for connection in conversation.connections:
            heard = payloads(connection)
            server = server_of(conversation, sessions, heard)
            endpoint = "192.0.2.1:5"
            if not is_raw(connection):
                endpoint = str(connection.first_ad(CLIENT)["ConnectSinful"]).strip("<>")
            ours, theirs = tcp_pair()
            with ours, theirs:
                expected = [frame for frame in connection.frames if frame.by == SERVER]
                chance = RecordedChance.of(connection, SERVER)
                differs = {"ValidCommands"} if conversation.name == MORE_COMMANDS else set()
                stream = SayingAgain(ours, chance, expected, differs | SERVER_DIFFERS)
                async with asyncio.timeout(10), asyncio.TaskGroup() as both:
                    both.create_task(serve(stream, server, "127.0.0.1:5", Peer(endpoint)))
                    await other_side(theirs, connection.frames, SERVER)
                    theirs.close()
            assert (heard, expected) == ([], [])

    run("asyncio", scenario())


def test_no_conversation_is_left_out() -> None:
    names = [conversation.name for conversation in conversations()]
    assert len(names) == 12 + 6
    assert set(NOT_OUR_SERVER) < set(names)
