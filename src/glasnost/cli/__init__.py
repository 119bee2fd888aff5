"""The command ``glasnost``: one file per command, imported when it is called.

Argv is looked at before any framework is imported: ``connect`` through a running agent is started
for every SSH login, and needs none.
"""

from __future__ import annotations

import io
import os
import sys

TYPE_CHECKING = False  # what typing says, without its import
if TYPE_CHECKING:
    from typing import TextIO


def main() -> None:
    """The console script."""
    try:
        _main()
    except KeyboardInterrupt:  # while it was starting
        sys.exit(130)


def _main() -> None:
    _stand_on_three_streams()
    argv = sys.argv[1:]
    if len(argv) == 2 and argv[0] == "connect" and not argv[1].startswith("-"):
        from glasnost.cli.connect import through_agent

        status = through_agent(argv[1])
        if status is not None:
            sys.exit(status)
    from glasnost.cli.app import run

    run()


def _stand_on_three_streams() -> None:
    """Descriptors 0, 1 and 2 are streams, also where the caller has closed them: a socket of ours
    must never become what somebody prints to. What cannot be encoded is escaped."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # Opened for reading, so that an answer that nobody can see is an error.
            os.open(os.devnull, os.O_RDONLY)
    # Python leaves out a stream that was closed when it started.
    sys.stdin = sys.stdin or _text(0)
    sys.stdout = sys.stdout or _text(1)
    sys.stderr = sys.stderr or _text(os.open(os.devnull, os.O_WRONLY))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _text(number: int) -> TextIO:
    return open(number, "w" if number else "r", closefd=False)
