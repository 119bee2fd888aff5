"""The values that planning takes and gives: target, crossing, path, rejection."""

from __future__ import annotations

from dataclasses import dataclass

from glasnost.core.address import Address, Landing, Route, Stage
from glasnost.core.routes.traits import Way
from glasnost.core.routes.vantage import Exit


@dataclass(frozen=True, slots=True)
class Target:
    """What the record says of an endpoint, as far as choosing a path is concerned.

    ``reach`` is what the endpoint could dial back to: None if nobody knows, empty if nothing.
    ``relay`` is whether the record lets a broker relay its streams, ``meet`` whether it takes part
    in a simultaneous open.
    """

    address: Address
    reach: frozenset[Landing] | None = None
    relay: bool = True
    meet: bool = True


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
    """One exit joined to one route, every choice made. Numbers count from 1."""

    exit: Exit
    exit_number: int
    route: Route
    route_number: int
    crossings: tuple[Crossing, ...] = ()

    @property
    def stages(self) -> tuple[Stage, ...]:
        """Every stage, in the order of crossing: the exit's, then the route's."""
        return self.exit.stages + self.route.stages

    @property
    def first(self) -> int:
        """The index of the first stage that is crossed, as `stage` counts."""
        return -len(self.exit.stages)

    def stage(self, index: int) -> Stage:
        """One stage: the route's are counted from 0, so that they keep their numbers whatever
        leads there, and the exit's below it, up to -1."""
        return self.stages[index - self.first]

    @property
    def unknown_reach(self) -> bool:
        """Whether the path hopes for a dial-back that may be impossible."""
        return any(crossing.unknown_reach for crossing in self.crossings)

    @property
    def relays(self) -> int:
        """How many brokers copy the bytes."""
        return len([None for crossing in self.crossings if crossing.way == "relay"])

    def crossing(self, stage_index: int) -> Crossing | None:
        """How the stage of the route with this index (from 0) is crossed, if it reverses."""
        return next((one for one in self.crossings if one.stage_index == stage_index), None)

    @property
    def how(self) -> str:
        """Through what its exit leads, and what happens at its reversing stages, in words."""
        through = [f"through {self.through}"] if self.through else []
        return ", ".join([*through, *self._ways]) or "direct"

    @property
    def through(self) -> str:
        """What the settings call the way to where its exit comes out, or its stages; empty where
        the exit is direct."""
        stages = "/".join(map(str, self.exit.stages))
        return stages and (self.exit.name or stages)

    @property
    def _ways(self) -> list[str]:
        return [f"stage {one.stage_index + 1} {SAYS[one.way]}" for one in self.crossings]

    def __str__(self) -> str:
        through = f"{'/'.join(map(str, self.exit.stages))} to " if self.exit.stages else ""
        return f"{through}{self.route}" + (f" ({', '.join(self._ways)})" if self.crossings else "")


#: What a reversing stage does, as a verb.
SAYS: dict[Way, str] = {"dial-back": "dials back", "meet": "meets", "relay": "relays"}


@dataclass(frozen=True, slots=True)
class Rejected:
    """A route that cannot be used or, where ``part`` says which, some paths over it.

    ``hint`` is what would change that, for whoever runs the client.
    """

    route: Route
    route_number: int
    reason: str
    hint: str = ""
    #: Empty: the whole route. Else an exit ("exit 2"), or a way ("dial-back at stage 2").
    part: str = ""

    def __str__(self) -> str:
        part = f"by {self.part}: " if self.part else ""
        return f"route {self.route_number} {self.route}: {part}{self.reason}"
