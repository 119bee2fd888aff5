"""What came of one path that was tried: what was done at each stage, and for how long.

No clock is read here: who walks a path marks when each thing begins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from glasnost.core.routes.path import Path
from glasnost.errors import StageFailed


@dataclass(frozen=True, slots=True)
class Mark:
    """Something began: when, at which stage (an index of `Path.stage`), and what, in a few words.
    No word: that stage waits for others to be crossed, or to be crossed once more."""

    at: float
    index: int
    deed: str


@dataclass(frozen=True, slots=True)
class Span:
    """What was done at one stage, and how many seconds passed until the next thing was begun.
    The route's stages are counted from 1, and those of the exit end at 0.

    What is sent without waiting has hardly any: its answer comes in a later span, with whatever
    is waited for there.
    """

    number: int
    stage: str
    deed: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Trace:
    """One path on its way, in ``seconds``; ``why`` it did not lead there (empty: it did), and
    then the ``number`` of the stage that failed, which is that of the last span otherwise."""

    path: Path
    spans: tuple[Span, ...]
    seconds: float
    number: int
    why: str = ""

    @classmethod
    def of(
        cls,
        path: Path,
        marks: Sequence[Mark],
        ended: float,
        number: int | None = None,
        why: str = "",
    ) -> Trace:
        """From marks, the first of which is the beginning, and the moment of the end."""
        ends = [*(mark.at for mark in marks[1:]), ended]
        spans = tuple(
            Span(mark.index + 1, str(path.stage(mark.index)), mark.deed, end - mark.at)
            for mark, end in zip(marks, ends, strict=False)
            if mark.deed
        )
        begun = marks[0].at if marks else ended
        if number is None:
            number = spans[-1].number if spans else path.first + 1
        return cls(path, spans, ended - begun, number, why)

    def then(self, deed: str, seconds: float, why: str = "") -> Trace:
        """With something more that was done at its last stage, and perhaps failed."""
        number = len(self.path.route.stages)
        span = Span(number, str(self.path.route.stages[-1]), deed, seconds)
        return Trace(self.path, (*self.spans, span), self.seconds + seconds, number, why)

    @property
    def stage(self) -> str:
        """The stage that ``number`` says."""
        return str(self.path.stage(self.number - 1))

    @property
    def failure(self) -> str:
        """At which stage it failed, and why."""
        return str(StageFailed(self.number, self.stage, self.why))

    def as_dict(self) -> dict[str, Any]:
        """In builtin types."""
        failed = {"stage": self.number, "text": self.stage, "why": self.why}
        return {
            "route": str(self.path.route),
            "route_number": self.path.route_number,
            "exit": str(self.path.exit),
            "how": self.path.how,
            "reached": not self.why,
            "seconds": round(self.seconds, 6),
            "stages": [
                {
                    "stage": one.number,
                    "text": one.stage,
                    "did": one.deed,
                    "seconds": round(one.seconds, 6),
                }
                for one in self.spans
            ],
            "failed": failed if self.why else None,
        }

    def __str__(self) -> str:
        ways = ", ".join(crossing.way for crossing in self.path.crossings)
        through = f" through {self.path.through}" if self.path.through else ""
        how = through + (f" by {ways}" if ways else "")
        took = f"{self.seconds * 1000:.0f} ms"
        if not self.why:
            return f"route {self.path.route_number}{how} in {took}"
        return f"route {self.path.route_number}{how}, {self.failure} after {took}"
