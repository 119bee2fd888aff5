"""A server of ours with one query, a client of ours, and what they may be told to do."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field

from glasnost.condor.client import Call as ClientCall
from glasnost.condor.client import ClientSettings, start_command
from glasnost.condor.commands import Command, Level
from glasnost.condor.security.methods.base import Doorkeeper, Login, Peer
from glasnost.condor.security.methods.kinds import Method
from glasnost.condor.security.negotiation import Myself, Policy
from glasnost.condor.security.sessions import ClientSessions, Identity, ServerSessions
from glasnost.condor.security.tokens import Token, make_token, signing_key
from glasnost.condor.security.words import Word
from glasnost.condor.server.call import Call, Then
from glasnost.condor.server.command import nops, serve
from glasnost.condor.server.settings import Served, Server
from glasnost.condor.stream import CedarStream
from tests.net.pairs import tcp_pair

DOMAIN = "wire.test"
KEY = signing_key("POOL", bytes(range(64)))
NOW = 1_800_000_000.0
ME = pwd.getpwuid(os.geteuid()).pw_name
QUERIES = (Command.QUERY_ANY_ADS, Command.QUERY_SCHEDD_ADS)
ADDRESS = "<127.0.0.1:9618>"


def token(
    user: str = "carol", lifetime: float | None = None, levels: Iterable[Level] | None = None
) -> Token:
    subject = f"{user}@{DOMAIN}"
    return make_token(KEY, "POOL", DOMAIN, subject, b"id", NOW - 5, lifetime, levels)


@dataclass
class Rig:
    """What both sides are set to, and what was seen."""

    client: Policy = field(default_factory=Policy)
    server: Policy = field(default_factory=lambda: Policy(duration=3600))
    login: Login = field(default_factory=Login)
    keeper: Doorkeeper = field(
        default_factory=lambda: Doorkeeper(
            uid_domain=DOMAIN,
            trust_domain=DOMAIN,
            signing_keys={"POOL": KEY},
            clock=lambda: NOW,
        )
    )
    allow: Callable[[Level, Identity, str], bool] = lambda level, who, where: level is Level.READ
    sessions: ClientSessions = field(default_factory=ClientSessions)
    server_sessions: ServerSessions = field(default_factory=ServerSessions)
    peer: Peer = field(default_factory=lambda: Peer("127.0.0.1:9618", alias="localhost"))
    now: float = NOW
    policy: Callable[[Level], Policy] | None = None
    heard: list[tuple[int, str, list[bytes], bool]] = field(default_factory=list)

    def settings(self) -> ClientSettings:
        return ClientSettings(self.client, Myself(pid=7), self.login)

    def answering(self) -> Server:
        served: dict[int, Served] = {
            **{one: Served.of(one, self.answer) for one in QUERIES},
            Command.UPDATE_AD_GENERIC: Served.of(Command.UPDATE_AD_GENERIC, self.note),
        }
        me = Myself(subsystem="COLLECTOR", trust_domain=DOMAIN, issuer_keys=("POOL",))
        return Server(
            commands={**nops(), **served},
            authorize=self.allow,
            policy=self.policy or (lambda level: self.server),
            me=lambda: me,
            keeper=self.keeper,
            clock=lambda: self.now,
            sessions=self.server_sessions,
        )

    async def answer(self, call: Call) -> Then:
        """A query, answered with one ad."""
        await self.note(call)
        writer = call.stream.writer()
        writer.integer(1)
        writer.ad([b'Name = "one"', b'ClaimId = "secret"'])
        writer.integer(0)
        await call.stream.send(writer)
        return Then.READ_ON

    async def note(self, call: Call) -> Then:
        message = await call.payload()
        ad = message.ad()
        message.end()
        self.heard.append((call.command, call.identity.user, ad, call.stream.encrypted))
        return Then.READ_ON

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[CedarStream]:
        """The client's end of a new connection; at its end, the server has closed its own."""
        ours, theirs = tcp_pair()
        with ours, theirs:
            serving = asyncio.create_task(
                serve(CedarStream(theirs), self.answering(), "127.0.0.1:5", self.peer)
            )
            async with asyncio.timeout(10):
                try:
                    yield CedarStream(ours)
                finally:
                    ours.close()
                    await serving
                assert theirs.fileno() < 0

    async def start(self, stream: CedarStream, command: int = Command.QUERY_ANY_ADS) -> ClientCall:
        return await start_command(
            stream, command, self.settings(), self.sessions, ADDRESS, self.now, self.peer
        )

    async def query(self) -> ClientCall:
        """One query on a connection of its own, with its answer."""
        async with self.connection() as stream:
            call = await self.start(stream)
            await ask(call)
            return call


async def ask(call: ClientCall) -> None:
    writer = call.writer()
    writer.ad([b'MyType = "Query"'])
    await call.stream.send(writer)
    answer = await call.stream.receive()
    assert answer.integer() == 1
    assert answer.ad() == [b'Name = "one"', b'ClaimId = "secret"']
    assert answer.integer() == 0
    answer.end()


def methods(*names: Method, word: Word = Word.REQUIRED) -> Policy:
    return Policy(authentication=word, methods=names, duration=3600)
