"""What planning must know of a stage kind: a value, handed in by whoever knows the kinds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from glasnost.core.address import Stage

Role = Literal["origin", "forward", "reversing", "prelude"]
Way = Literal["dial-back", "relay"]


@dataclass(frozen=True, slots=True)
class Traits:
    """One stage kind, as far as choosing a path is concerned.

    ``protocol`` is that of the connections an origin opens. ``options`` are the keys understood,
    which matters for those that begin with a capital. ``ways`` are what a reversing stage can do.
    ``check`` says why a given stage cannot be used here, or None.
    """

    role: Role
    protocol: str | None = None
    options: frozenset[str] = frozenset()
    ways: frozenset[Way] = frozenset()
    check: Callable[[Stage], str | None] | None = None

    def __post_init__(self) -> None:
        assert (self.protocol is not None) == (self.role == "origin"), "origins have a protocol"
        assert bool(self.ways) == (self.role == "reversing"), "reversing stages have ways"
