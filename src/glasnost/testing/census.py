"""What a pool holds: counted before and after a fault, so that what leaks is seen."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from glasnost.errors import GlasnostError
from glasnost.roles.agent_client import AgentClient

#: What one process has, by host and label.
Counts = Mapping[tuple[str, str], int]


@dataclass(frozen=True)
class Census:
    """``descriptors`` and resident ``memory`` (bytes) of each process, ``tasks`` of each agent,
    and the ``files`` below every home but logs."""

    descriptors: Counts
    memory: Counts
    tasks: Counts
    files: frozenset[str]

    def more_than(self, before: Census) -> list[str]:
        """What has become more, a sentence each; memory is another question."""
        return [
            *_grown("descriptors", before.descriptors, self.descriptors),
            *_grown("tasks", before.tasks, self.tasks),
            *(f"a file that was not there: {name}" for name in sorted(self.files - before.files)),
        ]


def take_census(
    processes: Mapping[tuple[str, str], subprocess.Popen[str]], runs: Mapping[str, Path]
) -> Census:
    """Count what ``processes`` hold; ``runs`` are the run directories, by host."""
    descriptors = {
        key: len(os.listdir(f"/proc/{one.pid}/fd"))
        for key, one in processes.items()
        if one.poll() is None
    }
    memory = {key: _resident(processes[key].pid) for key in descriptors}
    agents = [host for host, label in descriptors if label == "agent"]
    return Census(
        descriptors,
        memory,
        asyncio.run(_tasks({host: runs[host] for host in agents})),
        frozenset(_files(runs)),
    )


def _grown(what: str, before: Counts, now: Counts) -> Iterator[str]:
    for host, label in sorted(now):
        was = before.get((host, label))
        if was is None:
            yield f"a process that was not there: {label} on {host}"
        elif now[host, label] > was:
            yield f"{label} on {host} has {now[host, label]} {what}, and had {was}"


def _resident(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


async def _tasks(runs: Mapping[str, Path]) -> dict[tuple[str, str], int]:
    """The tasks of those agents that answer: unix sockets are met from every namespace."""
    found = {}
    for host, run in runs.items():
        with contextlib.suppress(GlasnostError, OSError):
            client = await AgentClient.connect(run)
            try:
                found[host, "agent"] = (await client.status())["tasks"]
            finally:
                await client.close()
    return found


def _files(runs: Mapping[str, Path]) -> Iterator[str]:
    for host, run in runs.items():
        for path in run.parent.rglob("*"):
            if path.suffix != ".log":
                yield f"{host}/{path.relative_to(run.parent)}"
