"""The collector as handlers of commands: ads come, are asked for, and go when their time is over.

Whoever asks is let in by `condor.server`; what the ads mean is `condor.collector`'s to say, what
their expressions come to the judge's.

An answer is sealed and sent piece by piece, each when the reader has taken the one before, so a
slow reader costs two pieces and the list of what he asked for. The ads that he was promised stay
as long as he reads, though newer ones have come: hence the limits of answers.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Final

from glasnost.condor import judge
from glasnost.condor.cedar.values import KNOWS_PRIVATE, Reader
from glasnost.condor.classad import Ad
from glasnost.condor.classad.limits import MAX_ATTRIBUTES
from glasnost.condor.classad.syntax import plausible
from glasnost.condor.collector import Channel, Collector, CollectorLimits, Sender, kinds
from glasnost.condor.collector.own import Own
from glasnost.condor.commands import Command, name_of
from glasnost.condor.security.sessions import Identity
from glasnost.condor.server.call import Call, Then
from glasnost.condor.server.settings import Served
from glasnost.condor.stream import CedarStream
from glasnost.errors import Refused
from glasnost.net.alarm import Alarm
from glasnost.roles.admission import source_of

#: The longest message of an update: two ads, with a length before each line.
MAX_UPDATE: Final = 8 << 20
#: The longest query: Requirements and a projection with their own limits.
MAX_QUERY: Final = 256 << 10
#: Answers under way, in all and to one host. A pool's tools ask some at a time, for a second.
MAX_ANSWERS: Final = 512
MAX_ANSWERS_OF_ONE: Final = 64
#: Seconds for one piece of an answer (256 kB), and for all of them: HTCondor's collector gives its
#: QUERY_TIMEOUT, 60, to each write, and has no end.
PIECE_TIME: Final = 60.0
ANSWER_TIME: Final = 600.0
#: How old its own ad may be when somebody asks, seconds.
OWN_AGE: Final = 1.0

_ASK_FOR_OWN: Final = frozenset(
    {
        Command.QUERY_COLLECTOR_ADS,
        Command.QUERY_ANY_ADS,
        Command.QUERY_MULTIPLE_ADS,
        Command.QUERY_MULTIPLE_PVT_ADS,
    }
)

#: Whether somebody at an address may see private attributes.
Trusts = Callable[[Identity, str], bool]


class CollectorServer:
    """One collector. ``own`` tells of itself when it is asked. ``clock`` tells seconds since
    1970: ads say when they were heard of."""

    def __init__(
        self,
        own: Callable[[], Own],
        trusts: Trusts,
        *,
        limits: CollectorLimits | None = None,
        keep_absent: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._own, self._trusts, self._clock = own, trusts, clock
        is_expression = plausible
        if judge.is_here():
            is_expression = judge.parses
            judge.parses("true")  # the library is loaded now, and not when somebody waits
        self._collector = Collector(limits, is_expression=is_expression, keep_absent=keep_absent)
        self._judge = judge.Judge()
        self._alarm = Alarm(self._tick, clock)
        self._answering: Counter[str] = Counter()
        self._own_told = float("-inf")

    def __repr__(self) -> str:
        return f"<CollectorServer {self.counts}>"

    @property
    def counts(self) -> dict[str, int]:
        """How many ads there are of which sort."""
        return self._collector.counts()

    @property
    def size(self) -> int:
        """Bytes of memory that they take, about."""
        return self._collector.size

    @property
    def answering(self) -> int:
        """How many answers are under way."""
        return self._answering.total()

    def commands(self) -> dict[int, Served]:
        """What it answers, with the permissions that HTCondor has for it."""
        handlers = {
            **dict.fromkeys(kinds.UPDATES, self._update),
            **dict.fromkeys(kinds.INVALIDATIONS, self._invalidate),
            **dict.fromkeys(kinds.QUERIES, self._query),
        }
        return {one: Served.of(Command(one), handler) for one, handler in handlers.items()}

    async def close(self) -> None:
        self._alarm.cancel()
        await self._judge.aclose()

    # --- what is heard --------------------------------------------------------------------------

    async def hear(self, command: int, message: Reader, identity: Identity) -> bool:
        """An update or an invalidation, however it came; whether something was kept, or went."""
        ad = Ad.from_lines(message.ad(MAX_ATTRIBUTES))
        if command in kinds.INVALIDATIONS:
            removal = self._collector.invalidate(command, ad)
            work = [removal.work] if removal.work is not None else []
            verdicts = await self._judge.verdicts(work)
            return self._collector.remove(removal, *verdicts) > 0
        if command not in kinds.UPDATES:
            raise Refused("unknown", f"{name_of(command)} tells a collector nothing")
        private = None
        if command == kinds.MACHINE.update and message.left:
            private = Ad.from_lines(message.ad(MAX_ATTRIBUTES))
        sender = _sender(identity.user, identity.method)
        kept = self._collector.update(command, ad, self._clock(), sender, private)
        self._alarm.set(self._collector.deadline())
        return kept

    async def _update(self, call: Call) -> Then:
        # More of them will come, many in one packet, and nobody else wants this socket.
        call.stream.read_ahead = True
        message = await call.payload(MAX_UPDATE)
        kept = await self.hear(call.command, message, call.identity)
        if call.command == kinds.UPDATE_WITH_ACK:
            writer = call.stream.writer()
            writer.integer(int(kept))
            await call.stream.send(writer)
        return Then.READ_ON

    async def _invalidate(self, call: Call) -> Then:
        message = await call.payload(MAX_QUERY)
        await self.hear(call.command, message, call.identity)
        return Then.READ_ON

    def _tick(self, now: float) -> None:
        self._collector.tick(now)
        self._alarm.set(self._collector.deadline())

    # --- what is asked --------------------------------------------------------------------------

    async def _query(self, call: Call) -> Then:
        message = await call.payload(MAX_QUERY)
        ad = Ad.from_lines(message.ad(MAX_ATTRIBUTES))
        message.end()
        stream = call.stream
        # Where a key is agreed on but idle, secrets would have to be enciphered one by one.
        trusted = not stream.has_idle_key and self._trusts(call.identity, call.address)
        if call.command in _ASK_FOR_OWN:
            self._tell_own()
        source = source_of(call.address)
        with self._one_answer(source):
            answer = self._collector.query(call.command, ad, trusted=trusted)
            verdicts = await self._judge.verdicts(answer.work, source)
            knows = stream.peer is not None and stream.peer >= KNOWS_PRIVATE
            channel = Channel(stream.encrypted, knows)
            async with asyncio.timeout(ANSWER_TIME):
                await _send(stream, answer.pieces(channel, verdicts))
        return Then.CLOSE

    @contextlib.contextmanager
    def _one_answer(self, host: str) -> Iterator[None]:
        if self.answering >= MAX_ANSWERS or self._answering[host] >= MAX_ANSWERS_OF_ONE:
            raise Refused("busy", "too many answers are under way")
        self._answering[host] += 1
        try:
            yield
        finally:
            self._answering[host] -= 1
            if not self._answering[host]:
                del self._answering[host]

    def _tell_own(self) -> None:
        """Have our own ad among the others."""
        now = self._clock()
        if now - self._own_told >= OWN_AGE or now < self._own_told:
            self._own_told = now
            ad = self._own().ad(int(now), self.counts)
            self._collector.update(Command.UPDATE_COLLECTOR_AD, ad, now)
            self._alarm.set(self._collector.deadline())


@lru_cache(maxsize=10_000)
def _sender(user: str, method: str) -> Sender:
    """What is written of somebody into each of their ads."""
    return Sender(user, method or None)


async def _send(stream: CedarStream, pieces: Iterator[bytes]) -> None:
    """One message, each piece when the one before is with the kernel."""
    writer = stream.writer()
    piece = next(pieces)
    for following in pieces:
        writer.raw(piece)
        async with asyncio.timeout(PIECE_TIME):
            await stream.send(writer, last=False)
        await asyncio.sleep(0)  # a reader who is fast enough would have us to himself
        piece = following
    writer.raw(piece)
    async with asyncio.timeout(PIECE_TIME):
        await stream.send(writer)
