"""Prints the demo: the internet, each step with what was chosen and why, and the table."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from glasnost.testing.demo.cases import SIZE, Outcome
from glasnost.testing.lab import Lab


def internet(console: Console, lab: Lab) -> None:
    """The lab's drawing."""
    console.print("A small internet of network namespaces:", style="bold")
    console.print(Text(str(lab)))


def step(console: Console, outcome: Outcome) -> None:
    """One case: the plan as the client printed it, and what came of it."""
    case, fetched = outcome.case, outcome.fetched
    console.print(f"\n{case.number}. {case.title}", style="bold")
    console.print(Text(f"   {case.client} connects to {case.name}"))
    for line in fetched.get("plan", fetched.get("error", "")).splitlines():
        console.print(Text(f"   │ {line}"))
    if "route" in fetched:
        for line in fetched["tried"]:
            console.print(Text(f"   tried: {line}"))
        if unanswered := fetched["begun"] - len(fetched["tried"]) - 1:
            console.print(Text(f"   {unanswered} begun before it had not answered by then"))
        way = f" by {', '.join(fetched['ways'])}" if fetched["ways"] else ""
        console.print(Text(f"   taken: {fetched['route']}{way}"), style="cyan")
        console.print(Text(f"   {2 * SIZE / 1e6:.0f} MB checked; copied by {outcome.copied_by}"))
    else:
        console.print(Text(f"   answered after {fetched['seconds'] * 1000:.0f} ms"), style="cyan")
    for problem in outcome.problems:
        console.print(Text(f"   NOT AS EXPECTED: {problem}"), style="bold red")


def summary(console: Console, outcomes: Sequence[Outcome]) -> None:
    """The table at the end."""
    grid = Table(title=None, show_lines=False)
    for head in ("", "case", "route taken", "first byte", "bytes copied by", ""):
        grid.add_column(head, overflow="fold")
    for outcome in outcomes:
        fetched = outcome.fetched
        reached = "route" in fetched
        taken = fetched["route"] if reached else "none: every route has its reason"
        if reached and fetched["ways"]:
            taken += f" ({', '.join(fetched['ways'])})"
        seconds = fetched["first_byte"] if reached else fetched["seconds"]
        grid.add_row(
            str(outcome.case.number),
            Text(outcome.case.title),
            Text(taken),
            f"{seconds * 1000:.0f} ms" if reached else f"(after {seconds * 1000:.0f} ms)",
            outcome.copied_by,
            "as expected" if not outcome.problems else "NOT AS EXPECTED",
        )
    console.print()
    console.print(grid)
