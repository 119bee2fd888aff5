"""``glasnost connect`` through a running agent, from the start of its process to the service's
first bytes; against a Python interpreter that does nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.figures import ROUNDS, Figure, at_most
from benchmarks.site import REPLY, Site, site

#: Starts in each round, ours and the empty one's by turns; the fastest counts: whatever makes one
#: slower is not ours.
STARTS = 20
#: What the console script does, but for a line that only Windows needs.
COMMAND = [sys.executable, "-c", "from glasnost.cli import main; main()", "connect"]
_START = at_most(2.5)
EMPTY = [sys.executable, "-c", "pass"]


def measure() -> list[Figure]:
    """Milliseconds of one start."""
    with site() as here, tempfile.TemporaryDirectory(prefix="gn-pyc-") as folder:
        environment = _environment(here, folder)
        _connect(environment, "plain.bench")  # what is compiled once is compiled now
        rounds = [_round(environment) for _ in range(ROUNDS)]
    return [Figure.of_pairs("`connect`, start to first bytes / empty Python", "ms", rounds, _START)]


def _environment(here: Site, compiled: str) -> dict[str, str]:
    """That of an installed program: its modules are kept compiled."""
    environment = os.environ | {"PYTHONPYCACHEPREFIX": compiled}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return environment | {
        "GLASNOST_HOME": str(here.home),
        "GLASNOST_RUN": str(Path(here.home) / "run"),
    }


def _round(environment: dict[str, str]) -> tuple[float, float]:
    ours, empty = [], []
    for _ in range(STARTS):
        ours.append(_connect(environment, "plain.bench"))
        begun = time.perf_counter()
        subprocess.run(EMPTY, env=environment, check=True)
        empty.append(time.perf_counter() - begun)
    return min(ours) * 1e3, min(empty) * 1e3


def _connect(environment: dict[str, str], name: str) -> float:
    """Seconds until the service's answer comes out of the command."""
    begun = time.perf_counter()
    with subprocess.Popen(
        [*COMMAND, name], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        said = process.stdout.read(len(REPLY))
        taken = time.perf_counter() - begun
    assert said == REPLY, f"it said {said!r}"
    return taken
