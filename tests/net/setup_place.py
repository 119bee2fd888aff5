"""Something to bring up that writes down what is done to it, and how to wait for it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from glasnost.setups import SetupSetting

#: Long for a test, so that what is waited for is something else.
LONG = 60.0


class Place:
    """A run directory, and a thing that is up while the file ``up`` is there."""

    def __init__(self, folder: Path) -> None:
        self.run = folder
        self.up = folder / "up"
        self.story = folder / "story"

    def setting(
        self,
        start: str = "touch up",
        stop: str = "rm -f up",
        grace: float = 0.0,
        timeout: float = 10.0,
    ) -> SetupSetting:
        """By commands of the shell in this folder, which write down that they run."""
        return SetupSetting(
            start=self._noted("start", start),
            stop=self._noted("stop", stop),
            check=("test", "-e", str(self.up)),
            grace=grace,
            timeout=timeout,
        )

    def program(self, script: str = "touch up; exec sleep 60", grace: float = 0.0) -> SetupSetting:
        """The same with a program that runs."""
        return SetupSetting(
            run=self._noted("run", script),
            stop=self._noted("stop", "rm -f up"),
            check=("test", "-e", str(self.up)),
            grace=grace,
        )

    def told(self) -> list[str]:
        """What has run so far, in order."""
        return self.story.read_text().split() if self.story.exists() else []

    def runs(self) -> list[int]:
        """The processes of this place's keepers and commands."""
        found = subprocess.run(
            ["pgrep", "-f", str(self.run)], capture_output=True, text=True
        ).stdout.split()
        return [int(one) for one in found]

    def kill_all(self) -> None:
        """kill -9 of each keeper and command of this place, and nobody else."""
        for pid in self.runs():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _noted(self, word: str, script: str) -> tuple[str, ...]:
        return ("sh", "-c", f"cd {self.run}; echo {word} >> story; {script}")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    found = Place(tmp_path)
    yield found
    found.kill_all()


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what other processes do."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


def play(scenario: Callable[[], Awaitable[None]]) -> None:
    async def in_time() -> None:
        async with asyncio.timeout(LONG):
            await scenario()

    asyncio.run(in_time())
