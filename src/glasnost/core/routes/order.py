"""In which order paths are tried: named rules, each a key computed from one path.

The first rule whose keys differ decides a pair, so the order is total and every pair can be
explained. A new concern is a new field of `Place` and a rule, where it counts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from operator import attrgetter
from typing import Final, NamedTuple

from glasnost.core.address import Stage
from glasnost.core.routes.history import NOT_SEEN, History, Seen
from glasnost.core.routes.path import Path
from glasnost.core.routes.policy import Policy
from glasnost.core.routes.rfc6724 import ORDINARY, Fit, fit
from glasnost.core.routes.traits import WAYS

_WAY_RANKS: Final = {way: rank for rank, way in enumerate(WAYS)}
#: A Unix socket is nearer than any address: above `::1`, which has precedence 50 and scope 2.
_NO_ADDRESS: Final = Fit(False, False, -60, 0, 0)


class Place(NamedTuple):
    """Where a path stands: one key for each of `RULES`, in their order; the smaller goes first."""

    other_machine: bool
    relays: int
    reversals: int
    unknown_reach: bool
    network: int
    cost: float
    failures: int
    proxied: bool
    #: Of an unmeasured path: that of the fastest, as nothing says that it is slower.
    band: int
    scope_differs: bool
    label_differs: bool
    other_protocol: bool
    precedence: int
    scope: int
    prefix: int
    stages: int
    route_number: int
    exit_number: int
    ways: tuple[int, ...]


class Standing(NamedTuple):
    """One path, where it stands, and what history says of it."""

    path: Path
    place: Place
    seen: Seen


class Rule(NamedTuple):
    """A reason to try one path before another, and what it says of a path."""

    name: str
    says: Callable[[Standing], str]


RULES: Final = (
    Rule("same machine", lambda it: f"on {it.path.route.network}"),
    Rule("no relay", lambda it: _count(it.place.relays, "relay")),
    Rule("fewest reversals", lambda it: _count(it.place.reversals, "reversal")),
    Rule(
        "known reach",
        lambda it: f"the target's reach is {'unknown' if it.place.unknown_reach else 'known'}",
    ),
    Rule("network order", lambda it: f"on {it.path.route.network}"),
    Rule("cost", lambda it: f"it costs {it.place.cost:g}"),
    Rule("remembered failures", lambda it: _count(it.place.failures, "recent failure")),
    # What is reached directly does not depend on a proxy because of one protocol or a few ms.
    Rule("no proxy", lambda it: f"through {it.path.through or 'nobody'}"),
    Rule("remembered latency", lambda it: _took(it.seen)),
    # RFC 6724, section 6. Rules 2 and 5 find what will probably not work at all, so they stand
    # before the preference for a protocol, as they do in the RFC.
    Rule(
        "RFC 6724 rule 2 (matching scope)",
        lambda it: f"our source is of {_other(it.place.scope_differs)} scope",
    ),
    Rule(
        "RFC 6724 rule 5 (matching label)",
        lambda it: f"our source has {_other(it.place.label_differs)} label",
    ),
    Rule("protocol preference", lambda it: f"over {it.path.exit.lands.protocol}"),
    Rule(
        "RFC 6724 rule 6 (higher precedence)",
        lambda it: f"{it.path.route.stages[0]} has precedence {-it.place.precedence}",
    ),
    Rule(
        "RFC 6724 rule 8 (smaller scope)",
        lambda it: f"{it.path.route.stages[0]} has scope {it.place.scope}",
    ),
    Rule(
        "RFC 6724 rule 9 (longest matching prefix)",
        lambda it: f"{it.path.route.stages[0]} shares {-it.place.prefix} bits with our source",
    ),
    Rule("fewer stages", lambda it: _count(it.place.stages, "stage")),
    Rule("the owner's order", lambda it: f"route {it.path.route_number}"),
    # The last two only part paths over one route, so that no two paths are ever equal.
    Rule("the order of exits", lambda it: f"exit {it.path.exit_number}"),
    Rule(
        "the order of ways",
        lambda it: ", ".join(f"stage {c.stage_index + 1}: {c.way}" for c in it.path.crossings),
    ),
)
assert len(RULES) == len(Place._fields), "each key has its rule"


def order(
    paths: Sequence[Path], policy: Policy, history: History, now: float
) -> tuple[Standing, ...]:
    """The paths with where they stand, best first."""
    seen = (
        [history.seen(path, now) for path in paths] if history.entries else [NOT_SEEN] * len(paths)
    )
    fastest = min((one.band for one in seen if one.band is not None), default=0)
    networks: Mapping[str, tuple[int, float]] = {
        network: (policy.rank(network), policy.cost(network))
        for network in {path.route.network for path in paths}
    }
    standings = [
        Standing(path, _place(path, one, fastest, networks[path.route.network], policy), one)
        for path, one in zip(paths, seen, strict=True)
    ]
    standings.sort(key=attrgetter("place"))
    return tuple(standings)


def deciding(one: Standing, other: Standing) -> Rule:
    """The rule that puts one of two different paths before the other."""
    for rule, here, there in zip(RULES, one.place, other.place, strict=True):
        if here != there:
            return rule
    raise ValueError("these are the same path: nothing puts one before the other")


def _place(
    path: Path, seen: Seen, fastest: int, network: tuple[int, float], policy: Policy
) -> Place:
    way_out, route, crossings = path.exit, path.route, path.crossings
    protocol = way_out.lands.protocol
    fits = _fit(path, protocol)
    return Place(
        not route.network.startswith("host."),
        path.relays if crossings else 0,
        len(crossings),
        path.unknown_reach if crossings else False,
        network[0],
        way_out.cost + network[1],
        seen.failures,
        bool(way_out.stages),
        fastest if seen.band is None else seen.band,
        fits.scope_differs,
        fits.label_differs,
        protocol in ORDINARY and protocol != policy.protocol,
        fits.precedence,
        fits.scope,
        fits.prefix,
        len(way_out.stages) + len(route.stages),
        path.route_number,
        path.exit_number,
        tuple([_WAY_RANKS[one.way] for one in crossings]) if crossings else (),
    )


def _fit(path: Path, protocol: str) -> Fit:
    """RFC 6724 is about literals that we dial from an address of our own."""
    if protocol not in ORDINARY:
        return _NO_ADDRESS
    way_out = path.exit
    first = path.route.stages[0]
    if way_out.stages or first.kind != protocol:
        return ORDINARY[protocol]
    return _fit_of(first, (way_out.source,) if way_out.source else way_out.sources)


@lru_cache(maxsize=1024)  # one route's paths share it, and plans are made again
def _fit_of(origin: Stage, sources: tuple[str, ...]) -> Fit:
    return fit(origin.args[0], sources)


def _took(seen: Seen) -> str:
    return "never measured" if seen.latency is None else f"it took {seen.latency * 1000:.0f} ms"


def _other(differs: bool) -> str:
    return "another" if differs else "the same"


def _count(number: int, what: str) -> str:
    return f"{number or 'no'} {what}{'' if number == 1 else 's'}"
