"""A pool of HTCondor's, as a client sees it: ask its collectors, find its daemons, ping them.

Daemons are reached by every route that their addresses have (reaching.py); what wins is the first
path on which a daemon has let us in, and only there is it told what is wanted. Sessions are kept
for the process, so a second command costs a round trip less than the first.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final

from glasnost.condor.addresses.reading import parse
from glasnost.condor.addresses.sinful import Sinful
from glasnost.condor.caller import Caller
from glasnost.condor.classad import Ad
from glasnost.condor.classad.answers import AnswerReader
from glasnost.condor.client import Call, SessionGone, permitted
from glasnost.condor.commands import Command, Level
from glasnost.condor.questions import ANY, Question, located
from glasnost.condor.reaching import Reaching, routes_to
from glasnost.condor.stream import CedarStream
from glasnost.core.address import Address
from glasnost.core.routes import Plan, Target
from glasnost.errors import (
    ConnectFailed,
    GlasnostError,
    PathCut,
    ProtocolError,
    Refused,
    Unavailable,
)
from glasnost.net.sockets import closed_on_error
from glasnost.roles.dialler import CONNECT_TIMEOUT, Connected, connect
from glasnost.roles.standing import Standing

#: How long a collector may take to begin an answer, and to go on with it, seconds: it looks at
#: every ad it has, in a process of its own.
PATIENCE: Final = 60.0
#: The longest answer that is read: 200,000 slots with all their attributes are 1.2 GB.
MAX_ANSWER: Final = 4 << 30
#: The same where daemons of one name are looked for: a machine's thousand slots are 1 MB of it.
MAX_LOCATED: Final = 64 << 20
#: Ads of one answer: small ones take more room here than on the wire. Five of the largest pools.
MAX_ADS: Final = 1_000_000
#: Addresses of daemons that are kept as routes, so that they are read once.
MAX_KNOWN: Final = 10_000
#: Packets that are read before the ads in them are given.
_BATCH: Final = 64
#: HTCondor's collectors say nothing about what is wrong with a question.
UNANSWERED: Final = (
    "the collector closed the connection before it answered, which is what it does where a "
    "constraint is no expression to it"
)


@dataclass(frozen=True)
class Pinged:
    """What came of a ping: how the daemon was reached, and what it makes of us."""

    connected: Connected[Call]
    level: Level
    #: Whether commands of this level are allowed to us there.
    allowed: bool


class Pool:
    """``collectors`` are its addresses or hosts, each asked if those before cannot be.

    How we reach daemons is looked at once: who lives on while a host's addresses change makes a
    new one, with a `Reaching` that is new.
    """

    def __init__(
        self,
        caller: Caller,
        reaching: Reaching,
        collectors: Sequence[str] = (),
        timeout: float = CONNECT_TIMEOUT,
    ) -> None:
        self.caller = caller
        self._reaching = reaching
        self._timeout = timeout
        port = caller.config.collector_port
        self.collectors = [with_port(one, port) for one in collectors or caller.config.collectors]
        self._known: dict[str, tuple[Address, Standing]] = {}

    def __repr__(self) -> str:
        return f"<Pool of {', '.join(map(str, self.collectors)) or 'no collector'}>"

    # --- daemons --------------------------------------------------------------------------------

    def plan(self, address: str) -> Plan:
        """What would be tried to reach a daemon, and why. Raises `SinfulError`, `Unavailable`."""
        routes, here = self._seen(address)
        return here.plan(Target(routes))

    async def start(
        self, address: str, command: int, auth_command: int | None = None
    ) -> Connected[Call]:
        """Reach a daemon and begin a command there; what it is about is the caller's to say, on
        the stream that is the caller's to close. Raises `ConnectFailed`, `SinfulError`,
        `Unavailable`; `Refused` where it was reached, and does not let us have the command."""
        try:
            return await self._start(address, command, auth_command)
        except ConnectFailed as failed:
            causes = _causes(failed)
            for one in causes:
                if isinstance(one, Refused) and one.code == "denied":
                    raise one from failed
            if not any(isinstance(one, SessionGone) for one in causes):
                raise
        return await self._start(address, command, auth_command)  # with a session that is new

    async def _start(self, address: str, command: int, auth_command: int | None) -> Connected[Call]:
        routes, here = self._seen(address)
        settings = here.means.settings

        async def let_in(sock: socket.socket) -> Call:
            with closed_on_error(sock):
                stream = CedarStream(sock)
                return await self.caller.start(stream, command, address, auth_command)

        with self.caller.using():
            return await connect(
                address,
                Target(routes),
                here.vantage,
                here.means,
                let_in,
                close,
                policy=settings.policy(),
                experience=here.experience,
                delay=settings.attempt_delay,
                timeout=self._timeout,
                deed="log in",
            )

    def _seen(self, address: str) -> tuple[Address, Standing]:
        """The routes of an address, and where we stand for them; both stay what they are."""
        if (known := self._known.get(address)) is None:
            if len(self._known) >= MAX_KNOWN:
                self._known.clear()
            routes = routes_to(address)
            known = self._known[address] = routes, self._reaching.towards(routes)
        return known

    async def ping(self, address: str, level: Level = Level.READ) -> Pinged:
        """Be let in by a daemon, and hear whether it allows us what a level stands for."""
        asked = Command[f"DC_NOP_{level.name}"]
        connected = await self.start(address, Command.DC_SEC_QUERY, asked)
        try:
            async with patiently():
                allowed = await permitted(connected.result)
        finally:
            close(connected.result)
        return Pinged(connected, level, allowed)

    # --- collectors -----------------------------------------------------------------------------

    async def query(
        self, question: Question, most: int = MAX_ANSWER
    ) -> AsyncGenerator[list[Ad], None]:
        """The ads that a collector finds, in batches as they come; of the first that answers, in
        at most so many bytes."""
        call = await self._asked(question)
        try:
            answers = AnswerReader(encrypted=call.stream.encrypted)
            async for batch in _batches(call, answers, most):
                yield batch
        finally:
            close(call)

    async def ads(self, question: Question, most: int = MAX_ANSWER) -> list[Ad]:
        """All of them."""
        async with contextlib.aclosing(self.query(question, most)) as batches:
            return [ad async for batch in batches for ad in batch]

    async def locate(self, name: str, called: str = ANY) -> list[Ad]:
        """The daemons of a name, or on a machine of that name: their addresses, and no more."""
        return await self.ads(located(name, called), MAX_LOCATED)

    async def _asked(self, question: Question) -> Call:
        """The first collector that lets us in, with the question on its way to it."""
        if not self.collectors:
            raise Unavailable("no collector is known: COLLECTOR_HOST says none, and nobody else")
        failures: list[GlasnostError] = []
        for collector in self.collectors:
            try:
                return await self._ask(str(collector), question)
            except GlasnostError as error:
                failures.append(error)
        if len(failures) == 1:
            raise failures[0]
        raise Unavailable("no collector answers:\n" + "\n".join(map(str, failures)))

    async def _ask(self, collector: str, question: Question) -> Call:
        call = (await self.start(collector, question.command)).result
        try:
            writer = call.writer()
            writer.ad(question.ad.lines())
            call.stream.read_ahead = True  # nobody is handed this socket
            await call.stream.send(writer)
        except BaseException:
            close(call)
            raise
        return call


async def _batches(call: Call, answers: AnswerReader, most: int) -> AsyncGenerator[list[Ad], None]:
    stream, size, count = call.stream, 0, 0
    async with patiently():
        reader = await stream.begin_or_end()
    if reader is None:
        raise PathCut(UNANSWERED)
    while True:
        ads: list[Ad] = []
        async with patiently():
            for _ in range(_BATCH):
                size += reader.left
                ads += answers.feed(reader.raw(reader.left))
                if reader.whole:
                    break
                await stream.more(reader)
        if size > most:
            raise ProtocolError(f"an answer of more than {most >> 20:,} MiB: ask for less")
        count += len(ads)
        if count > MAX_ADS:
            raise ProtocolError(f"an answer of more than {MAX_ADS:,} ads: ask for less")
        if ads:
            yield ads
        if reader.whole and not reader.left:
            answers.finish()
            return


@contextlib.asynccontextmanager
async def patiently() -> AsyncIterator[None]:
    """Wait for a daemon, but not for ever."""
    try:
        async with asyncio.timeout(PATIENCE):
            yield
    except TimeoutError:
        raise Unavailable(f"the daemon has said nothing for {PATIENCE:g} s") from None


def close(call: Call) -> None:
    """End a command's connection."""
    call.stream.close()


def _causes(failed: ConnectFailed) -> list[BaseException | None]:
    """What the attempts failed with, below the names of their stages."""
    group = failed.__cause__
    found = group.exceptions if isinstance(group, ExceptionGroup) else ()
    return [one.__cause__ for one in found]


def with_port(text: str, port: int) -> Sinful:
    """A collector as COLLECTOR_HOST names it. Raises `SinfulError`.

    >>> str(with_port("cm.example.org", 9618)), str(with_port("[2001:db8::1]:5", 9618))
    ('<cm.example.org:9618>', '<[2001:db8::1]:5>')
    """
    found = parse(text)
    return found if found.port or found.addrs else Sinful(found.host, str(port), found.params)
