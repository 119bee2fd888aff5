"""What a client can reach, and how it can be reached: its exits and its return routes.

Plain values that travel: a client's vantage goes into queries ("reachable from here") and into
what ``explain`` prints. Gathering them is the business of ``net/interfaces`` and the settings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from glasnost.core.address import Landing, Route, Stage
from glasnost.core.routes.limits import MAX_EXITS, MAX_RETURNS
from glasnost.core.routes.rfc6724 import literal


@dataclass(frozen=True, slots=True)
class Exit:
    """One outbound path: the stages crossed on its own, and the landing where it comes out.

    Without stages it is *direct*. ``source`` is the address that connections are bound to; where
    there is none, the system chooses among ``sources``. ``name`` is what settings call it,
    ``not_for`` what they do not use it for, as `spared.spares` reads it.
    """

    lands: Landing
    stages: tuple[Stage, ...] = ()
    cost: float = 0
    source: str | None = None
    sources: tuple[str, ...] = ()
    name: str = ""
    not_for: tuple[str, ...] = ()

    @property
    def brings_up(self) -> tuple[str, ...]:
        """What has to be up for it, and is brought up where it is not."""
        return tuple(stage.args[0] for stage in self.stages if stage.kind == "setup")

    def as_dict(self) -> dict[str, Any]:
        """The exit in builtin types; what has its default is left out."""
        full = {
            "lands": str(self.lands),
            "stages": [str(stage) for stage in self.stages],
            "cost": self.cost,
            "source": self.source,
            "sources": list(self.sources),
            "name": self.name,
            "not_for": list(self.not_for),
        }
        return {key: value for key, value in full.items() if value}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Exit:
        """Read what `as_dict` writes; a ``ValueError`` says what is wrong."""
        cost = _typed(data, "cost", (int, float), 0)
        if not 0 <= cost < float("inf"):
            raise ValueError(f"an exit's cost is a number from 0 on, not {cost!r}")
        return cls(
            Landing.parse(_typed(data, "lands", str, "")),
            tuple(map(Stage.parse, _texts(data, "stages"))),
            cost,
            _source(data),
            tuple(map(_literal, _texts(data, "sources"))),
            _typed(data, "name", str, ""),
            tuple(_texts(data, "not_for")),
        )

    def __str__(self) -> str:
        via = f" through {'/'.join(map(str, self.stages))}" if self.stages else ""
        source = f" from {self.source}" if self.source else ""
        cost = f" at cost {self.cost:g}" if self.cost else ""
        name = f" ({self.name})" if self.name else ""
        return f"{self.lands}{via}{source}{cost}{name}"


@dataclass(frozen=True, slots=True)
class Vantage:
    """A client's exits, and the routes on which a target can dial back to it."""

    exits: tuple[Exit, ...] = ()
    returns: tuple[Route, ...] = ()

    def __post_init__(self) -> None:
        if len(self.exits) > MAX_EXITS or len(self.returns) > MAX_RETURNS:
            raise ValueError(
                f"a vantage has at most {MAX_EXITS} exits and {MAX_RETURNS} return routes"
            )

    @property
    def reach(self) -> frozenset[Landing]:
        """Every landing the exits come out on: what could be dialled from here."""
        return frozenset(way_out.lands for way_out in self.exits)

    @property
    def dials_back(self) -> frozenset[Landing]:
        """What of it may be published as a reach: a dial-back leaves by no proxy."""
        return frozenset(way_out.lands for way_out in self.exits if not way_out.stages)

    def as_dict(self) -> dict[str, Any]:
        """The vantage in builtin types."""
        return {
            "exits": [way_out.as_dict() for way_out in self.exits],
            "returns": [str(route) for route in self.returns],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Vantage:
        """Read what `as_dict` writes; a ``ValueError`` says what is wrong."""
        exits = _typed(data, "exits", (list, tuple), ())
        if not all(isinstance(way_out, Mapping) for way_out in exits):
            raise ValueError("each exit of a vantage is a table")
        return cls(
            tuple(map(Exit.from_dict, exits)),
            tuple(map(Route.parse, _texts(data, "returns"))),
        )

    def __str__(self) -> str:
        exits = [f"exit {number}: {one}" for number, one in enumerate(self.exits, 1)]
        returns = [f"return {number}: {one}" for number, one in enumerate(self.returns, 1)]
        return "\n".join([*(exits or ["no exit"]), *(returns or ["no return route"])])


def _source(data: Mapping[str, Any]) -> str | None:
    text = _typed(data, "source", (str, type(None)), None)
    return None if text is None else _literal(text)


def _literal(text: str) -> str:
    literal(text)
    return text


def _typed(data: Mapping[str, Any], key: str, types: type | tuple[type, ...], default: Any) -> Any:
    value = data.get(key, default)
    if not isinstance(value, types):
        raise ValueError(f"{key!r} of a vantage cannot be {type(value).__name__}")
    return value


def _texts(data: Mapping[str, Any], key: str) -> list[str]:
    texts = _typed(data, key, (list, tuple), ())
    if not all(isinstance(text, str) for text in texts):
        raise ValueError(f"{key!r} of a vantage is a list of texts")
    return list(texts)
