"""Who reaches whom among 10,000 sources and 10,000 targets of 200 shapes on each side.

Every endpoint has its own literals and its own ``host.*`` network. Each measurement runs in a
process of its own, so that its peak of memory is its own. The baseline is `can_reach`, asked for a
sample of the pairs in the same process and multiplied up to all of them: asking for each of the
hundred million takes hours.
"""

from __future__ import annotations

import random
import resource
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection

from benchmarks.figures import ROUNDS, Figure, process
from glasnost.core.address import Landing, Route, Stage
from glasnost.core.routes import Endpoint, Verdict, can_reach, reach_matrix
from glasnost.stages import traits

ENDPOINTS = 10_000
SHAPES = 200
#: Pairs that the baseline asks for: about a second.
SAMPLE = 10_000

_Landings = tuple[Landing, ...]
#: Doors, brokers, reach, relay.
_Drawn = tuple[_Landings, _Landings, frozenset[Landing], bool]


@dataclass(frozen=True)
class Measured:
    """One process: milliseconds for the matrix with all its counts, and for all pairs one by one
    (extrapolated); peak memory with and without the matrix, in MB."""

    matrix: float
    pairwise: float
    peak: float
    inputs: float


def measure() -> list[Figure]:
    """Time, memory, and growth."""
    rounds = [(_measure(ENDPOINTS), _measure(2 * ENDPOINTS)) for _ in range(ROUNDS)]
    seconds = [(one.matrix, one.pairwise) for one, _ in rounds]
    growth = [(twice.matrix, one.matrix) for one, twice in rounds]
    peaks = [(one.peak, one.inputs) for one, _ in rounds]
    return [
        Figure.of_pairs("reach of 10,000 x 10,000, pair by pair (extrapolated)", "ms", seconds),
        Figure.of_pairs("reach of 20,000 x 20,000, of 10,000 x 10,000", "ms", growth),
        Figure.of_pairs("peak memory of that process, before the matrix", "MB", peaks),
    ]


def _measure(count: int) -> Measured:
    with process(run, count) as (_, measured):
        assert isinstance(measured, Measured)
        return measured


def run(pipe: Connection, count: int) -> None:
    """One measurement, in a process of its own."""
    sources, targets = side(count, 1), side(count, 2)
    inputs = _peak()
    begun = time.perf_counter()
    matrix = reach_matrix(sources, targets, kinds=traits())
    counts = matrix.counts()
    taken = time.perf_counter() - begun
    peak = _peak()
    assert (len(matrix.sources), len(matrix.targets)) == (SHAPES, SHAPES)
    assert sum(counts.values()) == count * count and counts[Verdict.NO] and counts[Verdict.YES]
    chosen = random.Random(1)
    pairs = [(chosen.randrange(count), chosen.randrange(count)) for _ in range(SAMPLE)]
    begun = time.perf_counter()
    said = [can_reach(sources[one], targets[other], kinds=traits()) for one, other in pairs]
    each = (time.perf_counter() - begun) / SAMPLE
    assert said == [matrix.verdict(one, other) for one, other in pairs]
    pipe.send(Measured(taken * 1e3, each * count * count * 1e3, peak, inputs))


def side(count: int, salt: int) -> list[Endpoint]:
    """So many endpoints of `SHAPES` shapes, every one with literals and a machine of its own."""
    chosen = random.Random(salt)
    shapes: dict[_Drawn, None] = {}
    while len(shapes) < SHAPES:
        networks = ["public", *sorted(chosen.sample([f"site{one}" for one in range(20)], 2))]
        lands = [Landing(one, net) for net in networks for one in ("ip4", "ip6")]
        reach = frozenset(one for one in lands if chosen.random() < 0.6)
        doors = tuple(one for one in lands if one in reach and chosen.random() < 0.5)
        brokers = tuple(one for one in lands[:2] if one in reach and chosen.random() < 0.5)
        shapes[doors, brokers, reach, chosen.random() < 0.5] = None
    drawn = list(shapes)
    return [_endpoint(number, salt, drawn[number % SHAPES]) for number in range(count)]


def _endpoint(number: int, salt: int, shape: _Drawn) -> Endpoint:
    doors, brokers, reach, relay = shape
    service, contact = Stage.service("startd"), Stage.ccb(f"n{number}")
    own = [Route(f"host.{salt}x{number:x}", (Stage.unix("/run/glasnost/port.sock"), service))]
    own += [Route(one.network, (_literal(one, number), service)) for one in doors]
    broker = Stage.service("broker")
    own += [Route(one.network, (_literal(one, 7), broker, contact, service)) for one in brokers]
    return Endpoint(tuple(own), reach, relay)


def _literal(lands: Landing, number: int) -> Stage:
    if lands.protocol == "ip4":
        return Stage.ip(f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}", 9618)
    return Stage.ip(f"2001:db8::{number + 1:x}", 9618)


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
