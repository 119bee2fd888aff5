"""One soak from its beginning to its verdict."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from glasnost.testing.census import Census, Counts
from glasnost.testing.load import Report
from glasnost.testing.soak.hosts import Pool, populate
from glasnost.testing.soak.trouble import Troubles, draw
from glasnost.testing.traffic import Traffic
from glasnost.testing.world import WorldError

#: Transfers of each client before anything is counted: every kind of connection was made.
WARM = 30
#: Transfers of each client that must be whole in the end, when all is mended, and in a row.
CALM = 10
#: A process may have so much more memory in the end, as a share and in bytes: an allocator's
#: fragments, tables that have grown to their usual size, what is remembered of peers.
MORE_MEMORY = (0.25, 8 << 20)
#: Seconds between two looks at the clients.
LOOK = 1.0
#: What a service says of a caller that ended properly in the middle of something.
_TRUNCATED = re.compile(r"a caller was lost: ((?:Truncated|WrongBytes): .*)")


@dataclass
class Outcome:
    """What a soak came to. ``problems`` is empty when it was passed."""

    seed: int
    seconds: float
    troubles: Counter[str] = field(default_factory=Counter)
    whole: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    said: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    #: By process: bytes at the beginning and in the end.
    memory: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    descriptors: tuple[int, int] = (0, 0)
    tasks: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Progress:
    """How far it is: what was done last (a sentence, or nothing), and what came of transfers."""

    elapsed: float
    event: str
    whole: int = 0
    failed: int = 0
    faults: int = 0
    broken: int = 0


Tell = Callable[[Progress], None]


def soak(pool: Pool, seed: int, seconds: float, tell: Tell) -> Outcome:
    """Warm up, bring trouble for so long, mend everything, and judge."""
    outcome = Outcome(seed, seconds)
    populate(pool)
    tell(Progress(0, "the pool is up, and warms up"))
    _stop(_warm_loads(pool, seed), outcome)
    before = pool.world.census_at_rest()
    loads = _warm_loads(pool, seed + 1)
    at_work = pool.world.census()
    tell(Progress(0, "trouble begins"))
    _break_and_mend(pool, loads, outcome, tell)
    tell(Progress(seconds, "all is mended, and comes to rest"))
    _calm(pool, loads, outcome)
    worked = pool.world.census()
    _stop(loads, outcome)
    judge_services(pool, outcome)
    after = _settled(pool, before, outcome)
    judge_memory(outcome, {**at_work.memory, **before.memory}, {**worked.memory, **after.memory})
    outcome.descriptors = sum(before.descriptors.values()), sum(after.descriptors.values())
    outcome.tasks = sum(before.tasks.values()), sum(after.tasks.values())
    return outcome


def _warm_loads(pool: Pool, seed: int) -> list[Traffic]:
    """Clients at work, each of which has made every kind of connection."""
    loads = [
        pool.world.load(
            host,
            names=pool.names,
            workers=2,
            sizes=(1, 2_000_000),
            pause=0.4,
            patience=90.0,
            seed=seed * 1000 + number,
        )
        for number, host in enumerate(pool.clients)
    ]
    for load in loads:
        pool.world.wait_for("warm clients", load.more(WARM))
    return loads


def _break_and_mend(pool: Pool, loads: Sequence[Traffic], outcome: Outcome, tell: Tell) -> None:
    troubles = Troubles(pool, draw(pool, outcome.seed, outcome.seconds))
    begun = time.monotonic()
    while (elapsed := time.monotonic() - begun) < outcome.seconds:
        for event in troubles.step(elapsed):
            tell(_progress(elapsed, event, loads, troubles))
        outcome.problems += _died(pool)
        time.sleep(LOOK)
        tell(_progress(time.monotonic() - begun, "", loads, troubles))
    troubles.mend_all()
    outcome.troubles.update(troubles.kinds)


def _progress(elapsed: float, event: str, loads: Sequence[Traffic], troubles: Troubles) -> Progress:
    reports = [load.report() for load in loads]
    return Progress(
        elapsed,
        event,
        sum(one.whole for one in reports),
        sum(sum(one.failed.values()) for one in reports),
        sum(len(one.faults) for one in reports),
        len(troubles.now),
    )


def _died(pool: Pool) -> list[str]:
    """What has ended although nobody killed it; said once."""
    dead = [key for key, one in pool.world.processes.items() if one.poll() is not None]
    for key in dead:
        pool.world.processes.pop(key)
    return [f"{label} of {host} has ended by itself" for host, label in dead]


def _calm(pool: Pool, loads: Sequence[Traffic], outcome: Outcome) -> None:
    """All is mended: soon every client gets everywhere again."""
    try:
        pool.world.wait_for_names(pool.central, pool.names, brokered=pool.names)
        for load in loads:
            pool.world.wait_for("transfers none of which fails", load.in_a_row(CALM))
    except WorldError as error:
        outcome.problems.append(str(error))


def _stop(loads: Sequence[Traffic], outcome: Outcome) -> None:
    for load in loads:
        report: Report = load.stop()
        outcome.whole += report.whole
        outcome.failed.update(report.failed)
        outcome.said = {**report.said, **outcome.said}
        outcome.problems += report.faults


def judge_services(pool: Pool, outcome: Outcome) -> None:
    """Whether a service took a part for everything."""
    for host, service in pool.services:
        log = (pool.world.folder / host.name / f"service-{service}.log").read_text()
        outcome.problems += [f"{service}.{host.name}: {said}" for said in _TRUNCATED.findall(log)]


def _settled(pool: Pool, before: Census, outcome: Outcome) -> Census:
    try:
        pool.world.wait_until_nothing_grew(before)
    except WorldError as error:
        outcome.problems.append(str(error))
    return pool.world.census()


def judge_memory(outcome: Outcome, before: Counts, after: Counts) -> None:
    share, more = MORE_MEMORY
    for key in sorted(before.keys() & after.keys()):
        was, now = outcome.memory[key] = before[key], after[key]
        if now > was * (1 + share) + more:
            host, label = key
            grown = f"from {was / 1e6:.0f} to {now / 1e6:.0f} MB"
            outcome.problems.append(f"the memory of {label} on {host} has grown {grown}")
