"""What a conversion gives: the result, and what the other side cannot express."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Missing:
    """One field that the result does not say, or says differently, and why."""

    field: str
    why: str

    def below(self, field: str) -> Missing:
        """The same, seen from the address in which this one stands in ``field``."""
        return replace(self, field=f"{field}: {self.field}")

    def __str__(self) -> str:
        return f"{self.field}: {self.why}"


@dataclass(frozen=True, slots=True)
class Conversion(Generic[T]):
    """The result of a conversion, with all that it left behind."""

    result: T
    missing: tuple[Missing, ...] = ()
