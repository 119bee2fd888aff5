"""A process of its own with a disk of its own, which is small, full, or read-only at will.

The disk is a tmpfs in the process's mount namespace: it goes with the process, and nobody else
sees it. A scenario is an ``async def scenario(disk: Disk)`` in a test module.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
#: What the disk holds, bytes.
SIZE = 1 << 20


class Disk:
    def __init__(self, path: Path) -> None:
        self.path = path
        self._filler = path / "filler"

    def fill(self) -> None:
        """Leave no byte free."""
        with self._filler.open("ab", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                return

    def free(self) -> None:
        self._filler.unlink()

    def read_only(self, wanted: bool = True) -> None:
        how = "ro" if wanted else "rw"
        subprocess.run(["mount", "-o", f"remount,{how}", self.path], check=True)


def play(folder: Path, module: str, scenario: str) -> str:
    """Play ``module.scenario`` on a small disk that is mounted on ``folder``: what it printed."""
    folder.mkdir()
    script = f'mount -t tmpfs -o size={SIZE} small "$1" && exec "$2" -m tests.roles.small_disk "$@"'
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-ec", script, "sh", folder, sys.executable, module, scenario],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


if __name__ == "__main__":
    _, place, _, where, what = sys.argv
    asyncio.run(getattr(importlib.import_module(where), what)(Disk(Path(place))))
