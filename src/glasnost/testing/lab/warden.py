"""Ends what a lab started, whatever became of the lab.

A process of its own: it reads the lab's namespaces (inode numbers, one a line) from standard input
and, at the end of that input, kills every process in them. The kernel closes the lab's end of the
pipe however the lab dies, ``kill -9`` included; and a process does not leave its namespace by
forking or by starting a session, as it leaves process groups and parent-death signals.

Run as a script, it imports the standard library only.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Collection

_PAUSE = 0.002  # between looks, while killed processes are on their way out


def processes_in(namespaces: Collection[int], except_for: int) -> list[int]:
    """Process ids whose main thread is in one of the network namespaces, by inode number."""
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == except_for:
            continue
        try:
            inode = os.stat(f"/proc/{name}/ns/net").st_ino
        except OSError:
            continue  # ended meanwhile, or another user's and so not ours
        if inode in namespaces:
            found.append(int(name))
    return found


def kill_all(namespaces: Collection[int], except_for: int) -> None:
    """Kill until nothing is left: what is killed may have forked between two looks."""
    while pids := processes_in(namespaces, except_for):
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(_PAUSE)


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    lab = int(sys.argv[1])
    kill_all({int(line) for line in sys.stdin}, except_for=lab)


if __name__ == "__main__":
    main()
