"""Runs the benchmarks that are named, or all; prints one table, and leaves the figures in
``build/bench.json``: ``make bench``, ``make bench ARGS="port relay"``."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import sys
import time
from pathlib import Path

from benchmarks import (
    addresses,
    condor_ads,
    condor_ccb,
    condor_client,
    condor_collector,
    condor_port,
    dialback,
    idle,
    matching,
    planning,
    port,
    proxied,
    records,
    relay,
    roundtrips,
    stage_ssh,
    stages,
    start,
)
from benchmarks.figures import HEAD, Figure
from glasnost.cli.output import table

#: Each has a ``measure()`` that gives its figures. In the order in which they run.
BENCHMARKS = {
    module.__name__.rpartition(".")[2]: module
    for module in (
        addresses,
        matching,
        planning,
        port,
        start,
        dialback,
        idle,
        relay,
        roundtrips,
        proxied,
        stages,
        records,
        stage_ssh,
        condor_ads,
        condor_ccb,
        condor_collector,
        condor_port,
        condor_client,
    )
}
OUT = Path("build/bench.json")


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench ARGS=", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    names = []
    for asked in parser.parse_args().names or BENCHMARKS:
        # `condor` are all of HTCondor's.
        meant = [name for name in BENCHMARKS if name == asked or name.startswith(f"{asked}_")]
        if not meant:
            parser.error(f"no such benchmark: {asked} (there are: {', '.join(BENCHMARKS)})")
        names += meant
    # Between two sessions of a shell nice does nothing while the kernel groups by session.
    with contextlib.suppress(OSError):
        Path("/proc/self/autogroup").write_text("-20")
    figures: list[Figure] = []
    for name in names:
        begun = time.monotonic()
        print(f"{name} …", end=" ", file=sys.stderr, flush=True)
        figures += BENCHMARKS[name].measure()
        print(f"{time.monotonic() - begun:.0f} s", file=sys.stderr)
    print(table(HEAD, [one.row() for one in figures]))
    OUT.parent.mkdir(exist_ok=True)
    document = {"machine": machine(), "figures": [one.as_dict() for one in figures]}
    OUT.write_text(json.dumps(document, indent=2) + "\n")
    return 0


def machine() -> dict[str, object]:
    """Where it was measured, without which absolute figures say little."""
    return {
        "python": platform.python_version(),
        "kernel": platform.release(),
        "cores": len(os.sched_getaffinity(0)),
        "load": os.getloadavg()[0],
    }


if __name__ == "__main__":
    sys.exit(main())
