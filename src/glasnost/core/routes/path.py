"""The values that planning takes and gives: target, policy, path, rejection."""

from __future__ import annotations

from dataclasses import dataclass

from glasnost.core.address import Address, Landing, Route, Stage
from glasnost.core.routes.traits import Way
from glasnost.core.routes.vantage import Exit


@dataclass(frozen=True, slots=True)
class Target:
    """What the record says of an endpoint, as far as choosing a path is concerned.

    ``reach`` is what the endpoint could dial back to: None if nobody knows, empty if nothing.
    ``relay`` is whether the record lets a broker relay its streams.
    """

    address: Address
    reach: frozenset[Landing] | None = None
    relay: bool = True


@dataclass(frozen=True, slots=True)
class Policy:
    """What the client's own settings say.

    ``prefer`` puts networks first, in order; an entry that ends in ``*`` stands for all networks
    that begin so. The others follow: ``host.*``, then other named networks, then ``public``.
    """

    prefer: tuple[str, ...] = ()
    relay: bool = True


@dataclass(frozen=True, slots=True)
class Crossing:
    """How one reversing stage is crossed, with the return routes that the far side can dial."""

    stage_index: int
    way: Way
    returns: tuple[Route, ...] = ()
    #: Whether it is only hoped that the far side reaches them, as nobody knows what it reaches.
    unknown_reach: bool = False


@dataclass(frozen=True, slots=True)
class Path:
    """One exit joined to one route, every choice made. ``why`` says why it stands where it does."""

    exit: Exit
    exit_number: int
    route: Route
    route_number: int
    crossings: tuple[Crossing, ...] = ()
    why: tuple[str, ...] = ()

    @property
    def stages(self) -> tuple[Stage, ...]:
        """Every stage, in the order of crossing: the exit's, then the route's."""
        return self.exit.stages + self.route.stages

    @property
    def unknown_reach(self) -> bool:
        """Whether the path hopes for a dial-back that may be impossible."""
        return any(crossing.unknown_reach for crossing in self.crossings)

    @property
    def relays(self) -> int:
        """How many brokers copy the bytes."""
        return sum(crossing.way == "relay" for crossing in self.crossings)

    def crossing(self, stage_index: int) -> Crossing | None:
        """How the stage of the route with this index (from 0) is crossed, if it reverses."""
        return next((one for one in self.crossings if one.stage_index == stage_index), None)

    def __str__(self) -> str:
        through = f"{'/'.join(map(str, self.exit.stages))} to " if self.exit.stages else ""
        ways = [f"stage {one.stage_index + 1} {SAYS[one.way]}" for one in self.crossings]
        return f"{through}{self.route}" + (f" ({', '.join(ways)})" if ways else "")


#: What a reversing stage does, as a verb.
SAYS: dict[Way, str] = {"dial-back": "dials back", "relay": "relays"}


@dataclass(frozen=True, slots=True)
class Rejected:
    """A route that cannot be used at all, or only not in the way that ``reason`` names."""

    route: Route
    route_number: int
    reason: str

    def __str__(self) -> str:
        return f"route {self.route_number} {self.route}: {self.reason}"
