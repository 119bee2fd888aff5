"""What a measurement gives, what is asked of it, and what several measurements share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.context import SpawnProcess
from pathlib import Path
from statistics import median
from typing import Any, Literal

#: A measurement is taken so many times, ours and the baseline's in turn; the median counts.
ROUNDS = 5

#: What a goal may be about: ours / baseline, ours alone, or ours - baseline.
Of = Literal["ratio", "ours", "added"]


@dataclass(frozen=True)
class Goal:
    """What a figure has to reach; of its unit, unless it is about the ratio."""

    of: Of
    bound: float
    most: bool

    def __str__(self) -> str:
        return f"{self.of} {'≤' if self.most else '≥'} {self.bound:g}"

    def met_by(self, value: float) -> bool:
        return value <= self.bound if self.most else value >= self.bound


def at_least(bound: float, of: Of = "ratio") -> Goal:
    return Goal(of, bound, most=False)


def at_most(bound: float, of: Of = "ratio") -> Goal:
    return Goal(of, bound, most=True)


@dataclass(frozen=True)
class Figure:
    """One line of the table: ours against the baseline, in the same unit, round by round.

    ``baseline`` is empty where there is nothing to compare with, ``ours`` where the measurement
    could not be taken: then ``note`` says why. A ratio is the median of the rounds' own ratios,
    since what disturbs a round disturbs both of its halves.
    """

    what: str
    unit: str
    ours: Sequence[float]
    baseline: Sequence[float] = ()
    goal: Goal | None = None
    note: str = ""

    @classmethod
    def of_pairs(
        cls, what: str, unit: str, pairs: Sequence[tuple[float, float]], goal: Goal | None = None
    ) -> Figure:
        """From rounds of (ours, baseline)."""
        ours, baseline = zip(*pairs, strict=True)
        return cls(what, unit, ours, baseline, goal)

    def value(self, of: Of) -> float | None:
        """The median over the rounds; None where it was not measured."""
        match of:
            case "ours":
                return median(self.ours) if self.ours else None
            case "ratio":
                return self._compared([one / other for one, other in self._pairs()])
            case "added":
                return self._compared([one - other for one, other in self._pairs()])

    @property
    def met(self) -> bool | None:
        """Whether the goal is; None without one, and where it was not measured."""
        value = self.value(self.goal.of) if self.goal is not None else None
        return None if self.goal is None or value is None else self.goal.met_by(value)

    def row(self) -> list[str]:
        """What the table shows."""
        verdict = {None: self.note, True: "met", False: "MISSED"}[self.met]
        return [
            self.what,
            _text(self.value("ours"), ",.1f"),
            _text(median(self.baseline) if self.baseline else None, ",.1f"),
            self.unit,
            _text(self.value("ratio"), ".2f"),
            str(self.goal or ""),
            verdict,
        ]

    def as_dict(self) -> dict[str, Any]:
        """What stands in the file: the medians, and every round for whoever doubts them."""
        return {
            "what": self.what,
            "unit": self.unit,
            "ours": self.value("ours"),
            "baseline": median(self.baseline) if self.baseline else None,
            "ratio": self.value("ratio"),
            "goal": str(self.goal) if self.goal is not None else None,
            "met": self.met,
            "note": self.note,
            "rounds": {"ours": list(self.ours), "baseline": list(self.baseline)},
        }

    def _pairs(self) -> Iterator[tuple[float, float]]:
        return zip(self.ours, self.baseline, strict=False)

    def _compared(self, rounds: list[float]) -> float | None:
        return median(rounds) if rounds else None


#: The table's first line, above `Figure.row`.
HEAD = ("what", "ours", "baseline", "unit", "ratio", "goal", "")


def _text(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)


def by_turns(
    ours: Callable[[], float], baseline: Callable[[], float], rounds: int = ROUNDS
) -> list[tuple[float, float]]:
    """Rounds of both. Who goes first changes: a machine that was idle, or has just been busy, is
    not the same to the one that follows."""
    pairs = []
    for number in range(rounds):
        if number % 2:
            second, first = baseline(), ours()
        else:
            first, second = ours(), baseline()
        pairs.append((first, second))
    return pairs


def cpu_seconds(pid: int) -> float:
    """CPU time that all threads of a process have used so far, in nanosecond steps."""
    threads = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(one.read_text().split()[0]) for one in threads) / 1e9


@contextmanager
def process(target: Any, *args: Any) -> Iterator[tuple[SpawnProcess, Any]]:
    """``target(pipe, *args)`` in a process of its own, once it has sent its first object, which is
    what comes out; it is ended with the block."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    child = context.Process(target=target, args=(theirs, *args), daemon=True)
    child.start()
    theirs.close()
    try:
        yield child, ours.recv()
    finally:
        child.terminate()
        child.join()
        ours.close()
