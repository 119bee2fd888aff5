"""``glasnost condor status`` and ``locate``: what a pool's collector knows."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from glasnost.cli import common
from glasnost.cli.condor_pool import addresses, in_pool, of_type, opened
from glasnost.cli.output import note, say, say_json, table
from glasnost.condor.classad import Ad, ErrorValue, Expression, Value
from glasnost.condor.questions import Question, about
from glasnost.condor.questions import table as table_of

Kept = TypeVar("Kept")

#: Characters of a value in a table: one ad must not make the lines of all others as long.
MAX_SHOWN = 1000

#: What is shown of each sort of ads where nobody says what; of others, the last.
_COLUMNS = {
    "Machine": ("Name", "OpSys", "Arch", "State", "Activity", "Cpus", "Memory"),
    "Scheduler": ("Name", "Machine", "TotalRunningJobs", "TotalIdleJobs", "TotalHeldJobs"),
    "Submitter": ("Name", "Machine", "RunningJobs", "IdleJobs", "HeldJobs"),
    "": ("MyType", "Name", "Machine"),
}


@click.command()
@in_pool
@click.option(
    "--type",
    "called",
    default="startd",
    show_default=True,
    metavar="TYPE",
    help="Which ads: startd, schedd, master, collector, negotiator, submitter, any, or MyType.",
)
@click.option("--constraint", default="", metavar="EXPR", help="Only ads for which this is true.")
@click.option(
    "--projection",
    metavar="ATTRIBUTES",
    help="The attributes to show, separated by commas; with --json, by default all.",
)
@click.option("--limit", type=click.IntRange(min=1), help="At most so many ads.")
@common.as_json
def status(
    collector: str | None,
    called: str,
    constraint: str,
    projection: str | None,
    limit: int | None,
    json: bool,
) -> None:
    """Show what a pool of HTCondor's consists of, as its collector says.

    \b
      glasnost condor status --constraint 'Memory > 4000'
      glasnost condor status --type any --projection MyType,Name,MyAddress
      glasnost condor status -pool cm.example.org --json

    The collector is reached like any daemon: through its shared port or a broker, by all of its
    addresses.
    """
    names = [word for word in (projection or "").replace(",", " ").split() if word]
    if not names and not json:
        names = [*_COLUMNS.get(table_of(called), _COLUMNS[""])]
    if not called.strip():
        raise click.UsageError("--type: nothing is called nothing")
    try:
        question = about(called, constraint, names, limit or 0)
    except ValueError as error:
        raise click.UsageError(f"--constraint: {error}") from None
    if json:
        say_json(common.run_async(_asked(collector, question, _as_dict)))
        return
    rows = common.run_async(_asked(collector, question, lambda ad: _row(ad, names)))
    if rows:
        say(table(names, [cells for _, cells in sorted(rows)]))
    note(f"{len(rows)} ad{'' if len(rows) == 1 else 's'} of {table_of(called)}")


@click.command()
@click.argument("name")
@in_pool
@of_type
@common.as_json
def locate(name: str, collector: str | None, called: str, json: bool) -> None:
    """Show the addresses of the daemons called NAME, or on the machine NAME.

    Each is what `glasnost condor ping` and `explain` take, and what HTCondor's tools take.
    """

    async def ask() -> dict[str, dict[str, str]]:
        async with opened(collector) as pool:
            return await addresses(pool, name, called)

    found = common.run_async(ask())
    if json:
        say_json([{"address": address, **words} for address, words in found.items()])
        return
    for address in found:
        say(address)


async def _asked(
    collector: str | None, question: Question, kept: Callable[[Ad], Kept]
) -> list[Kept]:
    """What is kept of each ad: no more than is printed, whatever a collector adds unasked."""
    async with opened(collector) as pool, contextlib.aclosing(pool.query(question)) as batches:
        return [kept(ad) async for batch in batches for ad in batch]


def _row(ad: Ad, names: Sequence[str]) -> tuple[tuple[str, str], list[str]]:
    """What it is sorted by, and its line."""
    order = _shown(ad, "MyType"), _shown(ad, "Name")
    return order, [_shown(ad, name) for name in names]


def _shown(ad: Ad, name: str) -> str:
    """A value for a table: texts as they are, all else as ClassAds write it."""
    if name not in ad:
        return "-"
    value = ad[name]
    text = value if isinstance(value, str) else ad.text(name)
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 3] + "..."


def _as_dict(ad: Ad) -> dict[str, Any]:
    """An ad in JSON: what is no literal, or none of JSON's, is the text of its expression."""
    return {name: _in_json(value, ad.text(name)) for name, value in ad.as_dict().items()}


def _in_json(value: Value, text: str) -> Any:
    if isinstance(value, Expression | ErrorValue):
        return {"expression": text}
    if isinstance(value, float) and not math.isfinite(value):
        return {"expression": text}
    return value
