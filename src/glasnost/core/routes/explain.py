"""The answer of planning, for a person and for a machine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from glasnost.core.address.kinds import KNOWN
from glasnost.core.routes.order import Standing, deciding
from glasnost.core.routes.path import Crossing, Path, Rejected
from glasnost.core.routes.reasons import listed, reached_on


@dataclass(frozen=True, slots=True)
class Plan:
    """The paths to try, best first, and what was not kept, with reasons. ``str()`` explains it.

    The sentences are made when somebody asks for them: most plans are walked and never read.
    """

    candidates: tuple[Path, ...]
    rejected: tuple[Rejected, ...] = ()
    #: Where each candidate stands by each rule, in the same order.
    standings: tuple[Standing, ...] = field(default=(), repr=False)

    def decided_by(self, ahead: int, behind: int) -> str:
        """The name of the rule that puts one path before another; numbers count from 1."""
        return deciding(self.standings[ahead - 1], self.standings[behind - 1]).name

    def placed(self, number: int) -> str:
        """Why the path with this number (from 1) stands behind the one before it."""
        if number == 1:
            return "tried first"
        ahead, here = self.standings[number - 2 : number]
        rule = deciding(ahead, here)
        return (
            f"after path {number - 1} by {rule.name}: {rule.says(here)}, there {rule.says(ahead)}"
        )

    def why(self, number: int) -> tuple[str, ...]:
        """All there is to say about the path with this number, from 1."""
        path = self.candidates[number - 1]
        leaves = f"leaves by exit {path.exit_number}: {path.exit}"
        brought = [f"brings up {one} first, unless it is up" for one in path.exit.brings_up]
        crossed = map(_crossed, path.crossings)
        return (self.placed(number), leaves, *brought, *crossed, *_copied(path))

    def as_dict(self) -> dict[str, Any]:
        """The plan in builtin types."""
        return {
            "candidates": [
                self._path_dict(number, path) for number, path in enumerate(self.candidates, 1)
            ],
            "rejected": [_rejected_dict(one) for one in self.rejected],
        }

    def __str__(self) -> str:
        lines = ["tried in this order:" if self.candidates else "no path leads there"]
        for number, path in enumerate(self.candidates, 1):
            lines.append(f"  {number}. {path}")
            lines += [f"       {why}" for why in self.why(number)]
        if self.rejected:
            lines.append("not used:")
        for one in self.rejected:
            lines.append(f"  {one}")
            lines += [f"       hint: {one.hint}"] if one.hint else []
        return "\n".join(lines)

    def _path_dict(self, number: int, path: Path) -> dict[str, Any]:
        decided = None if number == 1 else self.decided_by(number - 1, number)
        return {
            "route": str(path.route),
            "route_number": path.route_number,
            "exit": path.exit.as_dict(),
            "exit_number": path.exit_number,
            "crossings": [_crossing_dict(crossing) for crossing in path.crossings],
            "unknown_reach": path.unknown_reach,
            "decided_by": decided,
            "why": list(self.why(number)),
        }


def _crossed(crossing: Crossing) -> str:
    stage = f"stage {crossing.stage_index + 1}"
    if crossing.way == "relay":
        return f"{stage}: the broker relays"
    if crossing.way == "meet":
        return f"{stage}: both sides connect to each other at the same moment"
    where = listed(reached_on(crossing.returns))
    hope = ", if it can: its reach is unknown" if crossing.unknown_reach else ""
    return f"{stage}: the target dials back to {where}{hope}"


def _copied(path: Path) -> Iterator[str]:
    """Where the connection is not the kernel's all the way."""
    for stage in path.stages:
        if stage.kind in KNOWN and (who := KNOWN[stage.kind].copied_by):
            yield f"{stage}: {who} copies what passes"


def _crossing_dict(crossing: Crossing) -> dict[str, Any]:
    return {
        "stage": crossing.stage_index + 1,
        "way": crossing.way,
        "returns": [str(route) for route in crossing.returns],
    }


def _rejected_dict(one: Rejected) -> dict[str, Any]:
    return {
        "route": str(one.route),
        "route_number": one.route_number,
        "part": one.part or None,
        "reason": one.reason,
        "hint": one.hint,
    }
