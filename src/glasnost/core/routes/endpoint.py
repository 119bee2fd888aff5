"""An endpoint as matchmaking sees it: how it can be reached, and what it can reach.

A record says both, so whether one endpoint reaches another is computed and not tried. What a
record does not say in so many words is derived here: where its owner can be dialled back, and on
which machine it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from glasnost.core.address import Address, Landing, Route, parse_reach
from glasnost.core.routes.limits import MAX_RETURNS
from glasnost.core.routes.traits import Traits
from glasnost.core.routes.vantage import Exit, Vantage
from glasnost.core.wire.messages import Record, may_be_relayed

#: How the name of a network that is one machine begins.
HOST: Final = "host."
#: What asks the shared port at a literal for one of its endpoints: ours, and HTCondor's.
_AT_A_PORT: Final = ("service", "condor.sock")
#: Services behind the literal of an own door: the endpoint's, behind that of its shared port. What
#: is dialled back is the port, and "a return route is one literal, then at most one service".
MAX_SERVICES: Final = 2


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What a record says of one endpoint, as far as reaching and being reached is concerned.

    ``reach`` is what it could connect to: None if nobody knows. ``relay`` is whether it lets a
    broker relay its streams. ``routes`` may be empty: such an endpoint only connects.
    """

    routes: tuple[Route, ...] = ()
    reach: frozenset[Landing] | None = None
    relay: bool = True

    @classmethod
    def of_record(cls, record: Record) -> Endpoint:
        """Read a record. Raises `AddressError`."""
        reach = None if record.reach is None else parse_reach("+".join(record.reach) or "none")
        relay = may_be_relayed(record.protection, record.relay)
        return cls(Address.parse(record.address).routes, reach, relay)

    @classmethod
    def of_vantage(cls, vantage: Vantage) -> Endpoint:
        """A client that has no record: it is reached where it can be dialled back."""
        return cls(vantage.returns, vantage.reach)

    @property
    def returns(self) -> tuple[Route, ...]:
        """Where it can be dialled back: its own doors that other hosts can dial."""
        return tuple(
            route
            for route in self.routes
            if is_own_door(route) and route.stages[0].kind != "unix" and not on_host(route.network)
        )

    @property
    def landings(self) -> frozenset[Landing]:
        """What it can certainly connect to: its reach, and the machines it has a door on."""
        near = [
            Landing(route.stages[0].kind, route.network)
            for route in self.routes
            if on_host(route.network) and is_own_door(route)
        ]
        return (self.reach or frozenset()).union(near)

    @property
    def on(self) -> frozenset[str]:
        """The machines that it connects from."""
        reached = [one.network for one in self.reach or () if on_host(one.network)]
        doors = [one.network for one in self.routes if on_host(one.network) and is_own_door(one)]
        return frozenset(reached + doors)

    @property
    def into(self) -> frozenset[str]:
        """The machines that routes to it begin on."""
        return frozenset([one.network for one in self.routes if on_host(one.network)])

    @property
    def apart(self) -> Endpoint:
        """The endpoint as it is for all who are on other machines."""
        reach = self.reach
        if reach is not None:
            reach = frozenset(one for one in reach if not on_host(one.network))
        routes = tuple(route for route in self.routes if not on_host(route.network))
        return Endpoint(routes, reach, self.relay)

    def towards(self, network: str, kinds: Mapping[str, Traits]) -> Vantage:
        """What of its vantage can matter for a route that begins on this network.

        Where nobody knows what it reaches it may reach any network, except other machines.
        """
        lands = {one for one in self.landings if one.network == network}
        if self.reach is None and not on_host(network):
            lands |= {Landing(one, network) for one in protocols(kinds) if one != "unix"}
        return Vantage(tuple(map(Exit, sorted(lands))), self.returns[:MAX_RETURNS])


def on_host(network: str) -> bool:
    """Whether a network is one machine."""
    return network.startswith(HOST)


def is_own_door(route: Route) -> bool:
    """Whether the endpoint itself listens where the route begins: a literal, and services.

    Through a broker, a proxy or a gate it could be anywhere.
    """
    origin, rest = route.stages[0], route.stages[1:]
    return (
        origin.kind in ("ip4", "ip6", "unix")
        and len(rest) <= MAX_SERVICES
        and all(stage.kind in _AT_A_PORT for stage in rest)
        and not any(stage.carried or stage.critical for stage in route.stages)
    )


def protocols(kinds: Mapping[str, Traits]) -> frozenset[str]:
    """The protocols that connections can be opened by."""
    return frozenset(protocol for one in kinds.values() for protocol in one.protocols)
