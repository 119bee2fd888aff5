"""Commands of the user's own settings: lists of words, never a shell's, each with a time limit.

What they say is kept (said.py); its last line is what is said of one that fails.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Callable, Sequence
from typing import Final

from glasnost.errors import Unavailable
from glasnost.net.said import Said

#: Seconds between asking a program to end and ending it.
PATIENCE: Final = 5.0


async def begin(words: Sequence[str], said: Said) -> Process:
    """Start a command, in a process group of its own. Raises `Unavailable`."""
    try:
        return await asyncio.create_subprocess_exec(
            *words, stdin=DEVNULL, stdout=said.into, stderr=said.into, start_new_session=True
        )
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise Unavailable(f"{words[0]} cannot be run: {why}") from None


async def run(
    words: Sequence[str],
    said: Said,
    timeout: float,
    begun: Callable[[Process], None] = lambda process: None,
) -> None:
    """Run a command to its end; ``begun`` is told when it runs. Raises `Unavailable` where it fails
    or takes too long; of one that is given up nothing of its group is left."""
    start = said.size()
    process = await begin(words, said)
    try:
        begun(process)
        async with asyncio.timeout(timeout):
            await process.wait()
    except TimeoutError:
        await end(process)
        raise Unavailable(f"{words[0]} has not ended within {timeout:g} s") from None
    except BaseException:
        await end(process)
        raise
    if process.returncode:
        _kill_rest(process)
        raise Unavailable(ended(words[0], process.returncode, said, start))


async def end(process: Process) -> None:
    """End a program and its group: with patience, then without."""
    if process.returncode is not None:
        return  # its number may be another's by now
    _signal(process.pid, signal.SIGTERM)
    try:
        async with asyncio.timeout(PATIENCE):
            await process.wait()
    except TimeoutError:
        _signal(process.pid, signal.SIGKILL)
    await whole_end(process)


async def whole_end(process: Process) -> int:
    """Wait until a program has ended, and end who is left of its group; its status."""
    status = await process.wait()
    _kill_rest(process)
    return status


def _kill_rest(process: Process) -> None:
    """In the moment of its end: where nobody is left, its group's number is free from now on."""
    _signal(process.pid, signal.SIGKILL)


def ended(program: str, status: int, said: Said, start: int = 0) -> str:
    """How a program came to its end, and the last it has said since ``start``."""
    how = f"status {status}" if status > 0 else f"signal {-status}" if status else "success"
    last = said.last_line(start)
    return f"{program} has ended with {how}" + (f": {last}" if last else "")


def _signal(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
