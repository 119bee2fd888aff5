"""Connects to an endpoint: plans, races the paths, and says what came of each.

Everything here is for clients; the two ways to finish a connection (a raw socket, or an asyncio
transport) are given by whoever asks.
"""

from __future__ import annotations

import asyncio
import functools
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from glasnost.core.address import Address, parse_reach
from glasnost.core.routes import Path, Plan, Policy, Target, Vantage, plan
from glasnost.core.wire.messages import Record, may_be_relayed
from glasnost.errors import ConnectFailed, GlasnostError, StageFailed
from glasnost.net.race import ATTEMPT_DELAY, Failure, Lost, race
from glasnost.stages import TRAITS, Means
from glasnost.stages.walk import sentence, walk

T = TypeVar("T")

#: One overall deadline for a connect, seconds: a few paths, each with a few round trips.
CONNECT_TIMEOUT = 15.0


@dataclass(frozen=True)
class Connected(Generic[T]):
    """A connection, the path it took, and the story before: ``begun`` paths were tried at all,
    ``attempts`` has one sentence for each that failed first, ``total`` is all the time in
    seconds."""

    result: T
    path: Path
    plan: Plan
    begun: int
    attempts: tuple[str, ...]
    total: float


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
    delay: float = ATTEMPT_DELAY,
    timeout: float = CONNECT_TIMEOUT,
) -> Connected[T]:
    """Race the paths to ``target``, best first.

    ``finish`` owns the raw stream at the end of a path and makes of it what the caller wants: it
    must fail where the endpoint has not accepted. ``dispose`` closes what lost. Raises
    `ConnectFailed`, which holds the plan and a sentence for every attempt.
    """
    loop = asyncio.get_running_loop()
    started = loop.time()
    considered = plan(vantage, target, policy or Policy(), kinds=TRAITS)
    attempts = [functools.partial(_attempt, path, means, finish) for path in considered.candidates]
    try:
        won = await race(attempts, dispose, delay, timeout)
    except Lost as lost:
        told = tuple(_tell(considered.candidates[one.index], one) for one in lost.failures)
        raise _failed(name, considered, told, lost.failures) from None
    told = tuple(_tell(considered.candidates[one.index], one) for one in won.failures)
    path = considered.candidates[won.index]
    return Connected(won.result, path, considered, won.begun, told, loop.time() - started)


async def _attempt(path: Path, means: Means, finish: Callable[[socket.socket], Awaitable[T]]) -> T:
    sock = await walk(path, means)
    last = len(path.route.stages)
    try:
        return await finish(sock)
    except (OSError, GlasnostError) as error:
        raise StageFailed(last, str(path.route.stages[-1]), sentence(error)) from error


def _tell(path: Path, failure: Failure) -> str:
    """``route 2, stage 3 (ccb:node7): no target is registered as "node7" after 41 ms``."""
    ways = ", ".join(crossing.way for crossing in path.crossings)
    how = f" by {ways}" if ways else ""
    why = failure.error
    reason = str(why) if isinstance(why, StageFailed) else sentence(why)
    told = f"route {path.route_number}{how}, {reason}"
    return f"{told} after {failure.seconds * 1000:.0f} ms"


def _failed(
    name: str, considered: Plan, told: tuple[str, ...], failures: tuple[Failure, ...]
) -> ConnectFailed:
    error = ConnectFailed(name, considered, told, [str(one) for one in considered.rejected])
    reasons = [one.error for one in failures if isinstance(one.error, Exception)]
    if reasons:
        error.__cause__ = ExceptionGroup(f"the attempts to reach {name}", reasons)
    return error


async def as_socket(sock: socket.socket) -> socket.socket:
    """The finish of who wants the raw stream and waits for no accept."""
    return sock
