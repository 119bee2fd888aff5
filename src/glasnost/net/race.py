"""Several ways at once, the best one first (RFC 8305, section 5).

The first attempt starts at once; the next one after the attempt delay, or as soon as one fails;
the first that succeeds wins. The rest are cancelled, and a result that comes too late is disposed
of: nothing of a loser is left open.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

#: RFC 8305, section 8: the recommended connection attempt delay, in seconds.
ATTEMPT_DELAY = 0.25


@dataclass(frozen=True, slots=True)
class Failure:
    """One attempt that did not win: which, why, and after how many seconds."""

    index: int
    error: BaseException
    seconds: float


@dataclass(frozen=True, slots=True)
class Won(Generic[T]):
    """What came out: the winner's index and result, how many attempts had begun, who failed."""

    index: int
    result: T
    begun: int
    failures: tuple[Failure, ...]


class Lost(Exception):
    """No attempt succeeded."""

    def __init__(self, failures: Sequence[Failure]) -> None:
        super().__init__(f"all {len(failures)} attempts failed")
        self.failures = tuple(failures)


async def race(
    attempts: Sequence[Callable[[], Awaitable[T]]],
    dispose: Callable[[T], object],
    delay: float = ATTEMPT_DELAY,
    timeout: float | None = None,
) -> Won[T]:
    """Run ``attempts``, best first. Raises `Lost` when all failed or ``timeout`` (seconds, for
    everything together) is over; attempts never begun are not among its failures."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    deadline = None if timeout is None else begun + timeout
    running: dict[asyncio.Task[T], tuple[int, float]] = {}
    failures: list[Failure] = []
    next_start = begun
    index = 0
    winner: asyncio.Task[T] | None = None
    try:
        while index < len(attempts) or running:
            now = loop.time()
            if deadline is not None and now >= deadline:
                break
            if index < len(attempts) and (now >= next_start or not running):
                running[loop.create_task(_call(attempts[index]))] = (index, now)
                index += 1
                next_start = now + delay
                continue
            until = next_start if index < len(attempts) else None
            ends = [at for at in (until, deadline) if at is not None]
            done, _ = await asyncio.wait(
                running,
                timeout=max(0.0, min(ends) - now) if ends else None,
                return_when=asyncio.FIRST_COMPLETED,
            )
            for task in sorted(done, key=lambda task: running[task][0]):
                number, started = running.pop(task)
                error = _error_of(task)
                if error is None:
                    winner = task
                    return Won(number, task.result(), index, tuple(failures))
                failures.append(Failure(number, error, loop.time() - started))
                next_start = loop.time()  # a failure starts the next one at once
    finally:
        await _clear(list(running), winner, dispose)
    for number, started in sorted(running.values()):
        failures.append(Failure(number, TimeoutError("no answer"), loop.time() - started))
    raise Lost(failures)


async def _call(attempt: Callable[[], Awaitable[T]]) -> T:
    return await attempt()


def _error_of(task: asyncio.Task[T]) -> BaseException | None:
    """Why an attempt did not win; one that was cancelled from inside has failed like any other."""
    return asyncio.CancelledError("cancelled") if task.cancelled() else task.exception()


async def _clear(
    tasks: Sequence[asyncio.Task[T]],
    winner: asyncio.Task[T] | None,
    dispose: Callable[[T], object],
) -> None:
    """End what still runs, and dispose of what was finished in the same moment. When we are
    cancelled meanwhile, nobody will take the winner either."""

    def late(task: asyncio.Task[T]) -> None:
        if _error_of(task) is None:
            dispose(task.result())

    for task in tasks:
        task.add_done_callback(late)  # holds also when nobody waits below any more
        task.cancel()
    try:
        if tasks:
            await asyncio.wait(tasks)
    except BaseException:
        if winner is not None:
            dispose(winner.result())
        raise
