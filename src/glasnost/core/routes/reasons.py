"""Why a route was rejected, and what would change that: sentences that a person can act on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from glasnost.core.address import PUBLIC, Landing, Route, Stage
from glasnost.core.routes.path import Target
from glasnost.core.routes.policy import Policy
from glasnost.core.routes.traits import Traits, Way
from glasnost.core.routes.vantage import Vantage

#: How people call the protocols.
_CALLED = {"ip4": "IPv4", "ip6": "IPv6", "unix": "Unix sockets"}
_OTHER = {"ip4": "ip6", "ip6": "ip4"}
_VERSION = {"ip4": "enable_ipv4", "ip6": "enable_ipv6"}


class Why(NamedTuple):
    """A reason, and a hint at what would change it."""

    reason: str
    hint: str


def no_exit(lands: Sequence[Landing], vantage: Vantage) -> Why:
    """No exit comes out where the route begins: is it the network we lack, or the protocol?"""
    first = lands[0]
    protocol, network = first.protocol, first.network
    head = f"no exit comes out on {' or '.join(map(str, lands))}"
    if protocol == "unix" and not network.startswith("host."):
        return Why(
            f"{head}: a Unix socket is on one machine, a network called host.<id>",
            "the owner must publish it on its machine's own network, host.<id>",
        )
    on_it = any(one.lands.network == network for one in vantage.exits)
    if on_it or network == PUBLIC:
        called = " and no ".join(_called(one.protocol) for one in lands)
        return Why(f"{head}: this host has no {called} there", _lacking(first))
    if network.startswith("host."):
        return Why(f"{head}: that is another machine", "nothing: this route is for programs there")
    return Why(
        f"{head}: this host is not on the network {network}",
        f"if it is, say so: up --network {network}, or [[networks]] in the settings; "
        f'or name a proxy that leads there: [[exits]] with lands = ["{first}"]',
    )


def _lacking(lands: Landing) -> str:
    other = _OTHER.get(lands.protocol)
    if other is None:
        return f'name an exit that leads there: [[exits]] with lands = ["{lands}"]'
    return (
        f"give this host an address and a default route for {_called(lands.protocol)} "
        f"(and {_VERSION[lands.protocol]} not false), name a proxy in [[exits]] that lands on "
        f"{lands}, or have the target registered with a broker that is met on "
        f"{other}@{lands.network}"
    )


def unusable(reason: str) -> Why:
    """A stage of the route cannot be crossed at all."""
    return Why(reason, "install what crosses such stages, or have the owner publish other routes")


def bad_exit(reason: str) -> Why:
    """An exit's own stages cannot be crossed, or not before this route."""
    return Why(f"it cannot be crossed: {reason}", "change its `via` in [[exits]] of the settings")


def spared(origin: Stage) -> Why:
    """The settings, or ``NO_PROXY``, keep an exit from being used for this."""
    return Why(
        f"it is not for {origin}", "change its `not_for` in [[exits]] of the settings, or NO_PROXY"
    )


def proxied_meeting() -> Why:
    """A simultaneous open needs the address that the broker sees to be ours."""
    return Why(
        "meeting needs a connection of our own to the broker, and this one leads through others",
        "give this host an exit of its own to the broker",
    )


def no_dial_back(reach: frozenset[Landing] | None, vantage: Vantage) -> Why:
    """The far side reaches none of our return routes."""
    returns = reached_on(vantage.returns)
    if reach is None:
        can = "nobody knows what the target can dial back to"
        hint = "make this host's port reachable, and advertise its address in the settings"
    elif not reach:
        can = "the target can dial back to nobody"
        hint = "nothing here: the target, or the broker before it, has no way out"
    else:
        can = f"the target can dial back to {listed(reach)} only"
        hint = (
            f"give this host an address on {' or '.join(map(str, sorted(reach)))}, "
            "or advertise one that leads to its port"
        )
    where = f"on {listed(returns)}" if returns else "nowhere"
    return Why(f"{can} and we can be reached {where}", hint)


def not_allowed(way: Way, target: Target, policy: Policy) -> Why | None:
    """Meeting or relaying is offered, and the record or our own settings forbid it."""
    by_record, by_us = (
        (target.relay, policy.relay) if way == "relay" else (target.meet, policy.meet)
    )
    doing = "relaying" if way == "relay" else "meeting"
    if not by_record:
        return Why(
            f"{doing} is refused by the record",
            f"have the service published with {way} allowed: it may be plain, or its owner strict",
        )
    if not by_us:
        return Why(f"{doing} is switched off in our settings", f"set {way} = true in the settings")
    return None


def no_way(stage: Stage, index: int, traits: Traits, whys: Sequence[Why]) -> Why:
    """A reversing stage can do none of what its kind offers; ``whys`` is a reason for each way."""
    reasons = [why.reason for why in whys]
    if "relay" not in traits.ways:
        reasons.append(f'relaying is not what a "{stage.kind}" stage offers')
    return Why(
        f"stage {index + 1} ({stage}): {'; '.join(reasons)}", "; or ".join(w.hint for w in whys)
    )


def too_many(limit: int) -> Why:
    """More paths lead over a route than are looked at."""
    return Why(
        f"only {limit} of the paths over this route are considered",
        "have fewer exits that land in the same place",
    )


def reached_on(returns: Iterable[Route]) -> set[Landing]:
    """The landings that return routes start on."""
    return {landing for route in returns if (landing := route.landing()) is not None}


def listed(landings: Iterable[Landing]) -> str:
    """Landings for a sentence: ``ip4@lab, ip4@public``."""
    return ", ".join(map(str, sorted(landings)))


def _called(protocol: str) -> str:
    return _CALLED.get(protocol, protocol)
