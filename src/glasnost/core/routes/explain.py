"""The answer of planning, for a person and for a machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from glasnost.core.routes.path import Crossing, Path, Rejected


@dataclass(frozen=True, slots=True)
class Plan:
    """The paths to try, best first, and what was not kept, with reasons. ``str()`` explains it."""

    candidates: tuple[Path, ...]
    rejected: tuple[Rejected, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The plan in builtin types."""
        return {
            "candidates": [_path_dict(path) for path in self.candidates],
            "rejected": [
                {"route": str(one.route), "route_number": one.route_number, "reason": one.reason}
                for one in self.rejected
            ],
        }

    def __str__(self) -> str:
        lines = ["tried in this order:" if self.candidates else "no path leads there"]
        for number, path in enumerate(self.candidates, 1):
            lines.append(f"  {number}. {path}")
            lines += [f"       {why}" for why in path.why]
        if self.rejected:
            lines.append("not used:")
            lines += [f"  {one}" for one in self.rejected]
        return "\n".join(lines)


def _path_dict(path: Path) -> dict[str, Any]:
    return {
        "route": str(path.route),
        "route_number": path.route_number,
        "exit": path.exit.as_dict(),
        "exit_number": path.exit_number,
        "crossings": [_crossing_dict(crossing) for crossing in path.crossings],
        "unknown_reach": path.unknown_reach,
        "why": list(path.why),
    }


def _crossing_dict(crossing: Crossing) -> dict[str, Any]:
    return {
        "stage": crossing.stage_index + 1,
        "way": crossing.way,
        "returns": [str(route) for route in crossing.returns],
    }
