"""Connects to an endpoint: plans, races the paths, and says what came of each.

Everything here is for clients; the two ways to finish a connection (a raw socket, or an asyncio
transport) are given by whoever asks.
"""

from __future__ import annotations

import asyncio
import dataclasses
import socket
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from glasnost.core.address import Address, parse_reach
from glasnost.core.routes import Mark, Outcome, Path, Plan, Policy, Target, Trace, Vantage, plan
from glasnost.core.wire.messages import Record, may_be_relayed
from glasnost.errors import ConnectFailed, GlasnostError, StageFailed, Unavailable
from glasnost.net.race import ATTEMPT_DELAY, Failure, Lost, Won, race
from glasnost.net.sentences import sentence
from glasnost.roles.experience import Experience
from glasnost.stages import Means, traits
from glasnost.stages.shared import SharedChannels
from glasnost.stages.walk import walk

T = TypeVar("T")

#: What stages are timed by: uvloop's own clock counts whole milliseconds.
_clock = time.perf_counter

#: What an endpoint does at the end of a path, in general.
ACCEPT = "accept"
#: One overall deadline for a connect, seconds: a few paths, each with a few round trips.
CONNECT_TIMEOUT = 15.0


@dataclass(frozen=True)
class Connected(Generic[T]):
    """A connection, how the path it took was walked, and the story before: ``begun`` paths were
    tried at all, ``failed`` are those that failed first, ``total`` is all the time in seconds."""

    result: T
    trace: Trace
    plan: Plan
    begun: int
    failed: tuple[Trace, ...]
    total: float

    @property
    def path(self) -> Path:
        """The path it took."""
        return self.trace.path


def target_of(record: Record) -> Target:
    """What planning needs of a record. Raises `AddressError`."""
    reach = None if record.reach is None else parse_reach("+".join(record.reach) or "none")
    relay = may_be_relayed(record.protection, record.relay)
    return Target(Address.parse(record.address), reach, relay)


async def connect(
    name: str,
    target: Target,
    vantage: Vantage,
    means: Means,
    finish: Callable[[socket.socket], Awaitable[T]],
    dispose: Callable[[T], object],
    *,
    policy: Policy | None = None,
    experience: Experience | None = None,
    delay: float = ATTEMPT_DELAY,
    timeout: float = CONNECT_TIMEOUT,
    deed: str = ACCEPT,
) -> Connected[T]:
    """Race the paths to ``target``, best first.

    ``finish`` owns the raw stream at the end of a path and makes of it what the caller wants: it
    must fail where the endpoint has not accepted; ``deed`` says in a word or two what it does.
    ``dispose`` closes what lost. Raises `ConnectFailed`, which holds the plan and a trace of every
    attempt. What came of each is remembered in ``experience``, and what was remembered there
    counts.
    """
    started = _clock()
    known = experience or Experience()
    kinds = traits(means.settings)
    considered = plan(vantage, target, policy or Policy(), known.history, known.now(), kinds=kinds)
    if considered.candidates:
        delay = known.delay(considered.candidates[0], delay)
    shared = SharedChannels()
    means = dataclasses.replace(means, shared=shared)
    attempts = [Attempt(path, means, finish, deed) for path in considered.candidates]
    try:
        won = await race([one.run for one in attempts], dispose, delay, timeout)
    except Lost as lost:
        known.learn(attempts[one.index].failed(one) for one in lost.failures)
        traces = [attempts[one.index].trace(one) for one in lost.failures]
        discarded = [str(one) for one in considered.rejected]
        raise ConnectFailed(name, considered, traces, discarded) from _causes(name, lost)
    finally:
        shared.close()
    now = _clock()
    known.learn(_outcomes(attempts, won, now))
    failed = tuple(attempts[one.index].trace(one) for one in won.failures)
    trace = attempts[won.index].trace()
    return Connected(won.result, trace, considered, won.begun, failed, now - started)


async def in_time(asking: Awaitable[T], name: str, timeout: float) -> tuple[T, float]:
    """The answer to what a name means, and what it has left of ``timeout`` seconds. Raises
    `Unavailable` when nothing is left."""
    loop = asyncio.get_running_loop()
    until = loop.time() + timeout
    try:
        async with asyncio.timeout_at(until):
            answer = await asking
    except TimeoutError:
        raise Unavailable(f"nobody said within {timeout:g} s what {name} means") from None
    return answer, until - loop.time()


class Attempt(Generic[T]):
    """One path on the way, and how far it came. ``finish`` and ``deed`` as for `connect`."""

    def __init__(
        self,
        path: Path,
        means: Means,
        finish: Callable[[socket.socket], Awaitable[T]],
        deed: str = ACCEPT,
    ) -> None:
        self._path, self._means, self._finish, self._deed = path, means, finish, deed
        #: What has begun so far.
        self._marks: list[Mark] = []
        self._ended: float | None = None

    async def run(self) -> T:
        try:
            sock = await walk(self._path, self._means, reached=self._reached)
            self._reached(len(self._path.route.stages) - 1, self._deed)
            try:
                return await self._finish(sock)
            except (OSError, GlasnostError) as error:
                raise self._failure(sentence(error)) from error
        finally:
            self._ended = _clock()

    def _reached(self, index: int, deed: str) -> None:
        if self._ended is None:  # else we open a channel for another path's sake
            self._marks.append(Mark(_clock(), index, deed))

    @property
    def _at(self) -> int:
        return self._marks[-1].index if self._marks else self._path.first

    def _failure(self, why: str) -> StageFailed:
        return StageFailed(self._at + 1, str(self._path.stage(self._at)), why)

    def trace(self, failure: Failure | None = None) -> Trace:
        """How it went, now that it has ended, by success or by ``failure``."""
        ended = self._ended or 0.0  # it may have been cancelled before its first step
        if failure is None:
            return Trace.of(self._path, self._marks, ended)
        why = failure.error
        failed = why if isinstance(why, StageFailed) else self._failure(sentence(why))
        return Trace.of(self._path, self._marks, ended, failed.number, failed.why)

    def failed(self, failure: Failure) -> Outcome:
        """What is to be remembered of a failure: the stage that could not be crossed."""
        why = failure.error
        number = why.number if isinstance(why, StageFailed) else self._at + 1
        return Outcome(self._path, failure.seconds, number)

    def went(self, now: float, *, won: bool) -> Outcome | None:
        """What is to be remembered of an attempt that did not fail; nothing of one not begun."""
        if not self._marks:
            return None
        return Outcome(self._path, now - self._marks[0].at, overtaken=not won)


def _outcomes(attempts: Sequence[Attempt[T]], won: Won[T], now: float) -> Iterator[Outcome]:
    """What came of each attempt of a race that was won. Of those that had not ended, only the
    ones before the winner were overtaken: the others began later."""
    failed = {one.index for one in won.failures}
    for one in won.failures:
        yield attempts[one.index].failed(one)
    for index, attempt in enumerate(attempts[: won.index + 1]):
        outcome = attempt.went(now, won=index == won.index)
        if outcome is not None and index not in failed:
            yield outcome


def _causes(name: str, lost: Lost) -> ExceptionGroup[Exception] | None:
    """The attempts' own exceptions, to hang below the final one."""
    reasons = [one.error for one in lost.failures if isinstance(one.error, Exception)]
    return ExceptionGroup(f"the attempts to reach {name}", reasons) if reasons else None


async def as_socket(sock: socket.socket) -> socket.socket:
    """The finish of who wants the raw stream and waits for no accept."""
    return sock
