"""Parsers of HTCondor's security: the ads of a negotiation, tokens, the dialogues themselves."""

from __future__ import annotations

import asyncio
import base64
import json
import socket

from hypothesis import strategies as st

from glasnost.condor.cedar.datagrams import decode_datagram
from glasnost.condor.cedar.values import Reader, Writer
from glasnost.condor.client import start_command
from glasnost.condor.security.ad_messages import read_ad
from glasnost.condor.security.ads import read_decision, read_outcome, read_request
from glasnost.condor.security.methods.base import Login, Peer
from glasnost.condor.security.methods.kinds import Method
from glasnost.condor.security.methods.rounds import let_in, log_in
from glasnost.condor.security.sessions import Session
from glasnost.condor.security.tokens import read_signed, read_token
from glasnost.condor.server.command import serve
from glasnost.condor.server.datagrams import open_datagram
from glasnost.condor.stream import CedarStream
from glasnost.errors import GlasnostError, ProtocolError, Refused, TrustError
from tests.condor.cedar.vectors import FOLDER
from tests.condor.rig import ADDRESS, NOW, Rig, token
from tests.condor.server.test_datagrams import GOOD, KEY
from tests.fuzz.parser import Parser, mutated, text_of, texts

_SECURITY = "glasnost.condor.security"
_CONVERSATIONS = json.loads((FOLDER / "conversations.json").read_text("utf-8"))["conversations"]


def _said(by: str) -> list[bytes]:
    """All that one side has said in each recorded connection, in one piece."""
    return [
        b"".join(
            bytes.fromhex(frame["frame"])
            for frame in connection["frames"]
            if by in frame["dir"][:6]
        )
        for conversation in _CONVERSATIONS
        for connection in conversation["connections"]
    ]


BY_CLIENTS, BY_SERVERS = _said("client"), _said("server")
#: The first ad of each side, without packet and command.
ADS = [
    data[at : 5 + int.from_bytes(data[1:5], "big")]
    for side, at in ((BY_CLIENTS, 13), (BY_SERVERS, 5))
    for data in side
    if data and data[5 + 6 : 5 + 8] != b"\0\6"
]


def check_ads(message: bytes) -> bool:
    """An ad of a negotiation: what it asks for or says, or that it is none."""
    try:
        ad = read_ad(Reader(message))
    except ProtocolError:
        return False
    taken = 0
    for read in (read_request, read_decision, read_outcome):
        try:
            read(ad)
        except ProtocolError as error:
            assert str(error)
        else:
            taken += 1
    return taken > 0


def check_token(text: str) -> bool:
    """A token, whole or without its signature, that comes back as it was."""
    try:
        found = read_token(text)
    except TrustError:
        return False
    assert read_token(found.text()) == found
    assert read_signed(found.signed, found.signature) == found
    return True


def _pair(data: bytes) -> tuple[socket.socket, socket.socket]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    theirs.send(data)
    theirs.shutdown(socket.SHUT_WR)
    return ours, theirs


def check_server(data: bytes) -> bool:
    """A client that says anything: it is answered, or the connection ends."""

    async def meet() -> bool:
        rig = Rig()
        ours, theirs = _pair(data)
        with ours, theirs:
            await serve(CedarStream(ours), rig.answering(), "192.0.2.1:5", rig.peer)
            assert ours.fileno() < 0
        return bool(rig.heard)

    return asyncio.run(meet())


def check_client(data: bytes) -> bool:
    """A server that says anything, to a client that begins a command."""

    async def meet() -> bool:
        rig = Rig(login=Login(fs_directory="/nonexistent"))
        ours, theirs = _pair(data)
        with ours, theirs:
            try:
                call = await start_command(
                    CedarStream(ours), 5, rig.settings(), rig.sessions, ADDRESS, NOW
                )
            except (GlasnostError, OSError) as error:
                assert str(error)
                return False
            assert isinstance(call.session, Session)
        return True

    return asyncio.run(meet())


def check_method(data: bytes) -> bool:
    """Any bytes in the place of a method's dialogue, on either side."""
    if not data:
        return False
    method = list(Method)[data[0] % len(Method)]
    if method not in (Method.FS, Method.TOKEN, Method.CLAIMTOBE, Method.ANONYMOUS, Method.SSL):
        method = Method.TOKEN
    chosen = Writer()
    chosen.integer(method)
    round_ = b"\1\0\0\0\x08" + chosen.message()

    async def meet(server: bool) -> bool:
        rig = Rig(login=Login(tokens=(token(),), user="x", fs_directory="/nonexistent"))
        ours, theirs = _pair(round_ + data[1:])
        with ours, theirs:
            stream = CedarStream(ours)
            try:
                if server and method is not Method.SSL:
                    await let_in(stream, [method], rig.keeper, rig.peer)
                else:
                    await log_in(stream, [method], [method], rig.login, Peer("192.0.2.1:5"))
            except (GlasnostError, OSError) as error:
                assert str(error)
                return False
        return True

    return asyncio.run(meet(data[0] >= 128))


def check_datagram(data: bytes) -> bool:
    """A datagram with any content: a command that its sender may have, or it is dropped."""
    rig = Rig(allow=lambda level, who, where: True)
    rig.server_sessions.add(Session("s:1", KEY, duration=60), NOW)
    try:
        call = open_datagram(decode_datagram(data), rig.answering(), "192.0.2.1:5")
    except (ProtocolError, Refused) as error:
        assert str(error)
        return False
    return call.message.left >= 0


def _dialogues() -> list[bytes]:
    """What each side has said in the recorded logins, behind the round that has chosen it."""
    found = []
    for conversation in _CONVERSATIONS:
        for connection in conversation["connections"]:
            method = {"FS": 1, "TOKEN": 10, "CLAIMTOBE": 0, "ANONYMOUS": 6}.get(
                connection.get("auth_method", "")
            )
            if method is None:
                continue
            for side, begin in (("client", 128), ("server", 0)):
                frames = [
                    bytes.fromhex(one["frame"])
                    for one in connection["frames"]
                    if one["dir"].startswith(side)
                ]
                byte = next(n for n in range(begin, begin + 99) if n % len(Method) == method)
                found.append(bytes([byte]) + b"".join(frames[2:]))
    return found


DIALOGUES = _dialogues()
TOKENS = [token().text(), token(levels=[]).text(), token(lifetime=9).text()]
_HEAD = base64.urlsafe_b64encode(b'{"alg":"HS256","kid":7}').decode().rstrip("=")

PARSERS = [
    Parser(
        "ads of a negotiation",
        (
            f"{_SECURITY}.ad_messages.read_ad",
            *(f"{_SECURITY}.ads.read_{name}" for name in ("request", "decision", "outcome")),
            f"{_SECURITY}.attributes.point_of",
        ),
        check_ads,
        st.binary(max_size=60) | mutated(ADS),
        seeds=lambda: ADS,
    ),
    Parser(
        "tokens of HTCondor",
        tuple(
            f"{_SECURITY}.tokens.{n}" for n in ("read_token", "read_signed", "_object", "_decode")
        ),
        check_token,
        st.text(max_size=40) | texts([*TOKENS, f"{_HEAD}.{_HEAD}."]),
        of=text_of,
        seeds=lambda: [one.encode() for one in TOKENS],
    ),
    Parser(
        "a server of HTCondor's commands",
        (),
        check_server,
        st.binary(max_size=60) | mutated(BY_CLIENTS),
        seeds=lambda: BY_CLIENTS,
    ),
    Parser(
        "a client of HTCondor's servers",
        (),
        check_client,
        st.binary(max_size=60) | mutated(BY_SERVERS),
        seeds=lambda: [one for one in BY_SERVERS if one],
    ),
    Parser(
        "commands of HTCondor by datagram",
        (),
        check_datagram,
        st.binary(max_size=60) | mutated([case[1] for case in GOOD]),
        seeds=lambda: [case[1] for case in GOOD],
    ),
    Parser(
        "logins at HTCondor",
        (),
        check_method,
        st.binary(max_size=60) | mutated(DIALOGUES),
        seeds=lambda: DIALOGUES,
    ),
]
