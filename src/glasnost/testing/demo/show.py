"""Prints the demo: the internet, each step with what was chosen and why, and the table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from glasnost.core.text import printable
from glasnost.testing.demo.cases import SIZE, Outcome
from glasnost.testing.lab import Lab

#: Below this many columns the table has no column of its own for routes.
NARROW = 130


def internet(console: Console, lab: Lab) -> None:
    """The lab's drawing."""
    console.print("A small internet of network namespaces:", style="bold")
    console.print(Text(str(lab)), soft_wrap=True)


def step(console: Console, outcome: Outcome) -> None:
    """One case: which paths there were, which was taken, why, and what came of it."""
    case, fetched = outcome.case, outcome.fetched
    console.print()
    _line(console, 0, f"{case.number}. {case.title}", "bold")
    _line(console, 3, f"{case.client} connects to {case.name}")
    if "route" in fetched:
        _plan(console, fetched)
        for line in fetched["tried"]:
            _line(console, 3, f"tried: {line}")
        if unanswered := fetched["begun"] - len(fetched["tried"]) - 1:
            _line(console, 3, f"{unanswered} begun before it had not answered by then")
        _line(console, 3, f"{SIZE / 1e6:.0f} MB each way, checked; first byte after "
              f"{fetched['first_byte'] * 1000:.0f} ms; copied by {outcome.copied_by}")  # fmt: skip
        _line(console, 3, f"the kernels counted {outcome.direct / 1e6:.1f} MB between the two "
              f"hosts, {outcome.at_broker / 1e6:.1f} MB at the broker", "dim")  # fmt: skip
    else:
        for line in fetched.get("error", "").splitlines():
            _line(console, 3 + 2 * line.startswith(" "), line.strip())
        if "seconds" in fetched:
            after = f"answered after {fetched['seconds'] * 1000:.0f} ms"
            _line(console, 3, after, "cyan")
    for problem in outcome.problems:
        _line(console, 3, f"NOT AS EXPECTED: {problem}", "bold red")


def _plan(console: Console, fetched: dict[str, Any]) -> None:
    """The paths in their order, the one taken with all its reasons, and the routes left out."""
    for number, path in enumerate(fetched["plan"]["candidates"], 1):
        taken = number == fetched["rank"]
        ways = [f"stage {one['stage']}: {one['way']}" for one in path["crossings"]]
        after, *more = path["why"] or [""]
        _line(console, 3, f"{'→' if taken else ' '} {number}  {path['route']}",
              "cyan" if taken else "", hang=5)  # fmt: skip
        _line(console, 8, "; ".join([*ways, after]), "dim")
        for why in more if taken else ():
            _line(console, 8, why, "dim")
    for one in fetched["plan"]["rejected"]:
        _line(console, 3, f"  –  {one['route']}", hang=5)
        _line(console, 8, f"not used: {one['reason']}", "dim")


def _line(console: Console, indent: int, text: str, style: str = "", hang: int = 0) -> None:
    """One line; what does not fit goes on below, ``hang`` columns further in."""
    shown = printable(text, keep="")
    width = max(console.width - indent, 20)
    first, rest = shown, ""
    if hang and len(shown) > width:
        first, rest = shown[:width], shown[width:]
    console.print(Padding(Text(first, style, overflow="fold"), (0, 0, 0, indent)))
    if rest:
        console.print(Padding(Text(rest, style, overflow="fold"), (0, 0, 0, indent + hang)))


def summary(console: Console, outcomes: Sequence[Outcome]) -> None:
    """The table at the end."""
    narrow = console.width < NARROW
    grid = Table(show_lines=narrow)
    heads = ["case and route taken"] if narrow else ["case", "route taken"]
    grid.add_column("")
    for head in heads:
        grid.add_column(head, overflow="fold")
    for head in ("first byte", "copied by", "ok" if narrow else "as expected"):
        grid.add_column(head)
    for outcome in outcomes:
        case = Text(outcome.case.title)
        taken = Text(_taken(outcome), "cyan")
        grid.add_row(
            str(outcome.case.number),
            *([Text("\n").join([case, taken])] if narrow else [case, taken]),
            _first_byte(outcome),
            outcome.copied_by,
            "yes" if not outcome.problems else Text("NO", "bold red"),
        )
    console.print()
    console.print(grid)


def _taken(outcome: Outcome) -> str:
    fetched = outcome.fetched
    if "route" not in fetched:
        return "none: each route has its reason"
    ways = f" ({', '.join(fetched['ways'])})" if fetched["ways"] else ""
    return str(fetched["route"]) + ways


def _first_byte(outcome: Outcome) -> str:
    fetched = outcome.fetched
    if "route" in fetched:
        return f"{fetched['first_byte'] * 1000:.0f} ms"
    return f"(no, {fetched['seconds'] * 1000:.0f} ms)" if "seconds" in fetched else "–"
