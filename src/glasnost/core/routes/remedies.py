"""What would make one endpoint reach another: single additions, each found by trying it.

Nothing here knows what is wrong. Every addition that could help is made to a copy of the facts,
and what lets `can_reach` say yes is named. Of several that are alike the smallest are kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Final, Literal

from glasnost.core.address import PUBLIC, Address, Landing, Route, Stage
from glasnost.core.routes.afar import vantage_of
from glasnost.core.routes.endpoint import Endpoint
from glasnost.core.routes.match import Verdict, can_reach
from glasnost.core.routes.path import Rejected, Target
from glasnost.core.routes.plan import DEFAULT_POLICY, plan
from glasnost.core.routes.policy import Policy
from glasnost.core.routes.reasons import listed
from glasnost.core.routes.traits import Traits
from glasnost.errors import AddressError

What = Literal["relay", "way out", "address", "broker", "network"]
Side = Literal["source", "target", "both"]

#: How many brokers are named: one that both sides reach is as good as the next.
MAX_BROKERS: Final = 2
#: A network that neither side is on. No record's, as nobody publishes a route on it.
_COMMON: Final = Landing("ip4", "a.common.network")
#: Literals of the documentation (RFC 5737, RFC 3849): only that there is one matters.
_LITERALS: Final = {"ip4": Stage.ip("192.0.2.1", 9618), "ip6": Stage.ip("2001:db8::1", 9618)}


@dataclass(frozen=True, slots=True)
class Remedy:
    """One addition that is enough: to the source, to the target, or to both."""

    side: Side
    what: What
    landings: tuple[Landing, ...] = ()

    def text(self, source: str = "the source", target: str = "the target") -> str:
        """As a sentence, with these names.

        >>> Remedy("target", "address", (Landing("ip4", "public"),)).text("a", "b")
        'an address on ip4@public for b, that others can connect to'
        """
        who = {"source": source, "target": target}.get(self.side, "")
        on = listed(self.landings)
        match self.what:
            case "relay":
                return f"a record of {who} that lets brokers relay"
            case "way out":
                return f"a way out to {on} for {who} (NAT will do)"
            case "address":
                return f"an address on {on} for {who}, that others can connect to"
            case "broker":
                return f"a broker for {who} that is met on {on}"
        return f"a network that {source} and {target} are both on (a VPN, say)"

    def as_dict(self) -> dict[str, object]:
        """In builtin types."""
        return {
            "side": self.side,
            "what": self.what,
            "landings": list(map(str, self.landings)),
            "text": self.text(),
        }


def reasons(
    source: Endpoint,
    target: Endpoint,
    policy: Policy = DEFAULT_POLICY,
    *,
    kinds: Mapping[str, Traits],
) -> tuple[Rejected, ...]:
    """Why the target's routes, or ways over them, are of no use to the source."""
    if not target.routes:
        return ()
    what = Target(Address(target.routes), target.reach, relay=target.relay)
    return plan(vantage_of(source), what, policy, kinds=kinds).rejected


def remedies(
    source: Endpoint,
    target: Endpoint,
    policy: Policy = DEFAULT_POLICY,
    *,
    kinds: Mapping[str, Traits],
) -> tuple[Remedy, ...]:
    """The single additions after which the source certainly reaches the target, the least effort
    first; none where it does so already."""
    found: list[Remedy] = []
    if can_reach(source, target, policy, kinds=kinds) is Verdict.YES:
        return ()
    for remedy in _candidates(source, target):
        if any(_covers(one, remedy) for one in found):
            continue
        if can_reach(*added(remedy, source, target), policy, kinds=kinds) is Verdict.YES:
            found.append(remedy)
    brokers = [one for one in found if one.what == "broker"]
    return tuple(one for one in found if one not in brokers[MAX_BROKERS:])


def _candidates(source: Endpoint, target: Endpoint) -> Iterator[Remedy]:
    """All that could help, in the order of effort."""
    begins = {landing for route in target.routes for landing in route.landings()}
    met = {landing for route in source.returns for landing in route.landings()}
    behind = set(target.reach or ())
    for route in target.routes:
        for stage in route.stages:
            behind |= _behind(stage)
    if not target.relay:
        yield Remedy("target", "relay")
    for lands in _sorted(begins):
        yield Remedy("source", "way out", (lands,))
    for lands in _sorted(met):
        yield Remedy("target", "way out", (lands,))
    if target.reach is not None:  # else nobody knows whether it reaches the broker
        yield from _brokers(_sorted(source.landings), _sorted(target.reach))
    for lands in _sorted(begins | behind):
        yield Remedy("source", "address", (lands,))
    for lands in _sorted(source.landings):
        yield Remedy("target", "address", (lands,))
    yield Remedy("both", "network")


def _brokers(near: Sequence[Landing], far: Sequence[Landing]) -> Iterator[Remedy]:
    """Brokers that the one side reaches and the other can register with: first those with one
    door, then those with two on one network, then those between two networks."""
    doors = {tuple(_sorted({one, other})) for one, other in product(near, far)}
    for few in sorted(
        doors, key=lambda few: (len(few), len({one.network for one in few}), *map(_rank, few))
    ):
        yield Remedy("target", "broker", few)


def added(remedy: Remedy, source: Endpoint, target: Endpoint) -> tuple[Endpoint, Endpoint]:
    """Both endpoints, after the addition."""
    match remedy:
        case Remedy(_, "relay"):
            return source, replace(target, relay=True)
        case Remedy("source", "way out", landings):
            return _with_reach(source, landings), target
        case Remedy("target", "way out", landings):
            return source, _with_reach(target, landings)
        case Remedy("source", "address", landings):
            return _with_doors(source, landings), target
        case Remedy("target", "address", landings):
            return source, _with_doors(target, landings)
        case Remedy(_, "broker", landings):
            through = (Stage.service("broker"), Stage.ccb("target"))
            routes = tuple(Route(one.network, (_literal(one), *through)) for one in landings)
            return source, replace(target, routes=routes + target.routes)
    return _with_doors(source, (_COMMON,)), _with_doors(target, (_COMMON,))


def _with_reach(endpoint: Endpoint, landings: Sequence[Landing]) -> Endpoint:
    return replace(endpoint, reach=(endpoint.reach or frozenset()).union(landings))


def _with_doors(endpoint: Endpoint, landings: Sequence[Landing]) -> Endpoint:
    doors = tuple(Route(one.network, (_literal(one),)) for one in landings)
    return replace(_with_reach(endpoint, landings), routes=doors + endpoint.routes)


def _covers(found: Remedy, candidate: Remedy) -> bool:
    """Whether the candidate is more of what is enough already."""
    alike = found.what == candidate.what or (found.what, candidate.what) == ("way out", "address")
    return alike and found.side == candidate.side and set(found.landings) <= set(candidate.landings)


def _behind(stage: Stage) -> frozenset[Landing]:
    try:
        return stage.reach or frozenset()
    except AddressError:
        return frozenset()


def _literal(lands: Landing) -> Stage:
    return _LITERALS[lands.protocol]


def _sorted(landings: frozenset[Landing] | set[Landing]) -> list[Landing]:
    """Those that an address can be given for, `PUBLIC` first."""
    return sorted((one for one in landings if one.protocol in _LITERALS), key=_rank)


def _rank(lands: Landing) -> tuple[bool, Landing]:
    return lands.network != PUBLIC, lands
