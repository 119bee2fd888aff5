"""Prints a soak: one line that changes on a terminal, what happens, and a table in the end."""

from __future__ import annotations

from rich.console import Console
from rich.status import Status
from rich.table import Table

from glasnost.core.text import printable
from glasnost.testing.soak.run import Outcome, Progress

#: Without a terminal, a line as often as this, seconds.
EVERY = 15.0


class Show:
    """``tell`` is called with every `Progress`."""

    def __init__(self, console: Console, seconds: float, status: Status) -> None:
        self._console, self._seconds, self._status = console, seconds, status
        self._next = 0.0

    def tell(self, progress: Progress) -> None:
        if progress.event:
            self._line(f"{_clock(progress.elapsed)}  {progress.event}", "dim")
        line = (
            f"{_clock(progress.elapsed)} of {_clock(self._seconds)}: {progress.whole} transfers "
            f"whole, {progress.failed} failed by name, {progress.faults} faults; "
            f"{progress.broken} broken now"
        )
        if self._console.is_terminal:
            self._status.update(line)
        elif progress.elapsed >= self._next:
            self._next = progress.elapsed + EVERY
            self._line(line)

    def _line(self, text: str, style: str = "") -> None:
        self._console.print(text, style=style, markup=False, soft_wrap=True)


def verdict(console: Console, outcome: Outcome) -> None:
    """The table, and what was wrong."""
    table = Table(
        title=f"soak of {_clock(outcome.seconds)}, seed {outcome.seed}", title_justify="left"
    )
    table.add_column("what")
    table.add_column("count", justify="right")
    table.add_column("for example", overflow="fold")
    for what, count in sorted(outcome.troubles.items()):
        table.add_row(f"trouble: {what}", str(count))
    table.add_section()
    table.add_row("transfers whole", str(outcome.whole))
    for name, count in outcome.failed.most_common():
        said = printable(outcome.said[name]).splitlines()
        table.add_row(f"failed by name: {name}", str(count), said[0][:100] if said else "")
    table.add_section()
    table.add_row("descriptors before and after", "{} → {}".format(*outcome.descriptors))
    table.add_row("agents' tasks before and after", "{} → {}".format(*outcome.tasks))
    grown = sorted(outcome.memory.items(), key=lambda item: item[1][1] / item[1][0])
    for (host, label), (was, now) in grown[-3:]:
        mb = f"{was / 1e6:.1f} → {now / 1e6:.1f} MB"
        table.add_row("most grown in memory", mb, f"{label} on {host}")
    console.print(table)
    for problem in outcome.problems:
        console.print(f"NOT AS IT SHOULD BE: {printable(problem)}", style="bold red", markup=False)
    if not outcome.problems:
        console.print("every transfer was whole or failed by name, and nothing has grown")


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60:02d}:{int(seconds) % 60:02d}"
