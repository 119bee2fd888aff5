"""What a measurement gives, and what several of them share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.context import SpawnProcess
from pathlib import Path
from statistics import median
from typing import Any

#: A measurement is taken so many times, ours and the baseline's in turn; the median counts.
ROUNDS = 5


@dataclass(frozen=True)
class Figure:
    """One line of the table: ours against the baseline, in the same unit."""

    what: str
    unit: str
    ours: float
    baseline: float

    @property
    def ratio(self) -> float:
        return self.ours / self.baseline


def medians(pairs: list[tuple[float, float]]) -> tuple[float, float]:
    """Ours and the baseline's, of the rounds."""
    return median(one for one, _ in pairs), median(other for _, other in pairs)


def cpu_seconds(pid: int) -> float:
    """CPU time that a process has used so far, in nanosecond steps."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


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
