"""Planning for one client, against the bare rule of the talk on the same values.

The baseline joins exits to routes and looks whether each reversing stage has a return route: no
order, no ways but dialling back, no reasons. Every address is another, so nothing is found cached
that an earlier plan has read.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

from benchmarks.figures import ROUNDS, Figure
from glasnost.core.address import Address, Landing, Route, parse_reach
from glasnost.core.routes import NOTHING, Exit, History, Outcome, Plan, Target, Vantage, plan
from glasnost.stages import traits

COUNT = 2_000

#: Eight routes as an agent publishes them: its machine, its site, its public addresses, brokers.
EIGHT = (
    "host.{2}/unix:%2Frun%2Fglasnost%2Fport.sock/service:db,"
    "lab/ip4:10.1.{0}.{1}:9618/service:db,"
    "lab/ip6:[fd00:1:{0}:{1}::7]:9618/service:db,"
    "public/ip4:203.0.{0}.{1}:9618/service:db,"
    "public/ip6:[2001:db8:{0}:{1}::7]:9618/service:db,"
    "public/ip4:198.51.{0}.{1}:9618/service:broker/ccb:node{2}/service:db,"
    "public/ip6:[2001:db8:{0}:{1}::8]:9618/service:broker/ccb:node{2}/service:db,"
    "public/ip4:192.88.{0}.{1}:9618/service:broker/ccb:node{2}:reach=ip4@public/service:db"
)
REACH = parse_reach("ip4@public+ip6@public+ip4@lab")
#: A host on a site and the Internet, by both protocols.
HERE = Vantage(
    (
        Exit(Landing("unix", "host.4f2a91")),
        Exit(Landing("ip4", "lab"), sources=("10.1.0.9",)),
        Exit(Landing("ip6", "lab"), sources=("fd00:1::9",)),
        Exit(Landing("ip6", "public"), sources=("2001:db8:ffff::9", "fd00:1::9")),
        Exit(Landing("ip4", "public"), sources=("10.1.0.9",)),
    ),
    (
        Route.parse("lab/ip4:10.1.0.9:9618"),
        Route.parse("public/ip6:[2001:db8:ffff::9]:9618"),
    ),
)


def measure() -> list[Figure]:
    """Time of one plan: for a client that remembers nothing, and for one that remembers each
    path; and the time to say in words why."""
    targets = [
        Target(Address.parse(EIGHT.format(n >> 8 & 255, n & 255, n)), REACH) for n in range(COUNT)
    ]
    history = _remembered(targets[:100])
    plans = [_plan(target) for target in targets[:200]]
    return [
        _figure("plan of 8 routes, nothing remembered", _plan, targets),
        _figure("plan of 8 routes, every path remembered", _with(history), targets[:100]),
        Figure.of_pairs("plan of 8 routes put in words", "us", _words(plans, targets[:200])),
    ]


def _plan(target: Target, history: History = NOTHING) -> Plan:
    return plan(HERE, target, history=history, now=1.0, kinds=traits())


def _with(history: History) -> Callable[[Target], object]:
    return lambda target: _plan(target, history)


def _remembered(targets: list[Target]) -> History:
    history = NOTHING
    for target in targets:
        for path in _plan(target).candidates:
            history = history.remember(Outcome(path, 0.02), now=0.0)
    return history


def _figure(what: str, work: Callable[[Target], object], targets: list[Target]) -> Figure:
    rounds = [(_time(work, targets), _time(_bare_rule, targets)) for _ in range(ROUNDS)]
    return Figure.of_pairs(what, "us", rounds)


def _words(plans: list[Plan], targets: list[Target]) -> list[tuple[float, float]]:
    return [(_time(str, plans), _time(_bare_rule, targets)) for _ in range(ROUNDS)]


def _time(work: Callable[..., object], given: list[Target] | list[Plan]) -> float:
    """Microseconds for one, with the collector running as it does in earnest."""
    gc.collect()
    begun = time.perf_counter()
    for one in given:
        work(one)
    return (time.perf_counter() - begun) / len(given) * 1e6


def _bare_rule(target: Target) -> list[tuple[Exit, Route]]:
    """Every complete path by the talk's rule, in any order."""
    returns = {(one.stages[0].kind, one.network) for one in HERE.returns}
    found = []
    for route in target.address:
        begins = (route.stages[0].kind, route.network)
        reach = [one.reach or target.reach or () for one in route.stages if one.kind == "ccb"]
        if all(any((one.protocol, one.network) in returns for one in some) for some in reach):
            for way_out in HERE.exits:
                if (way_out.lands.protocol, way_out.lands.network) == begins:
                    found.append((way_out, route))
    return found
