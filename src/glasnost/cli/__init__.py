"""The command ``glasnost``: one file per command, imported when it is called.

Argv is looked at before any framework is imported: ``connect`` through a running agent is started
for every SSH login, and needs none.
"""

from __future__ import annotations

import sys


def main() -> None:
    """The console script."""
    argv = sys.argv[1:]
    if len(argv) == 2 and argv[0] == "connect" and not argv[1].startswith("-"):
        from glasnost.cli.connect import through_agent

        status = through_agent(argv[1])
        if status is not None:
            sys.exit(status)
    from glasnost.cli.app import run

    run()
