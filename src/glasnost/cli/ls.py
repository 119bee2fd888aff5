"""``glasnost ls``: what has a name in this pool."""

from __future__ import annotations

import click

from glasnost.cli import common
from glasnost.cli.output import note, say, say_json, table
from glasnost.cli.selectors import SELECTOR
from glasnost.core.protocols.selector import Term
from glasnost.core.text import duration
from glasnost.core.wire.messages import Party, Query, Record
from glasnost.node import Node


@click.command()
@click.argument("glob", default="*")
@click.option(
    "--selector",
    type=SELECTOR,
    default="",
    help="Only these labels: key=value, key!=value, key, !key, with commas between.",
)
@click.option("--reachable", is_flag=True, help="Only what this host can reach, by the records.")
@common.as_json
def ls(glob: str, selector: tuple[Term, ...], reachable: bool, json: bool) -> None:
    """List the names that match GLOB (of `service.node`)."""
    domain, found = common.run_async(_list(glob, selector, reachable))
    if json:
        say_json([as_dict(record, age) for record, age in found])
        return
    rows = [
        [
            record.name.removesuffix(f".{domain}"),
            record.protection,
            record.relay,
            str(record.address.count(",") + 1),
            f"{duration(age)} ago",
        ]
        for record, age in found
    ]
    if rows:
        say(table(["name", "protection", "relay", "routes", "renewed"], rows))
    else:
        more = " that fits" if selector or reachable else ""
        note(f"no name{more} matches {glob}")


async def _list(
    glob: str, selector: tuple[Term, ...], reachable: bool
) -> tuple[str, list[tuple[Record, float]]]:
    async with Node() as node:
        agent = await node.agent()
        glob = full_glob(glob, agent.domain)
        if not selector and not reachable:
            return agent.domain, await agent.listing(glob)
        here = Party(vantage=(await agent.where()).as_dict()) if reachable else None
        terms = tuple(map(str, selector))
        query = Query(glob=glob, selector=terms, reachable_from=here)
        return agent.domain, await agent.query(query)


def full_glob(glob: str, domain: str) -> str:
    """What matches full names, from what matches short ones, or the same."""
    return f"{glob.removesuffix('.' + domain)}.{domain}"


def as_dict(record: Record, age: float | None = None) -> dict[str, object]:
    """A record for a program, with its age if that is known."""
    said: dict[str, object] = {
        "name": record.name,
        "address": record.address,
        "reach": record.reach,
        "labels": record.labels,
        "protection": record.protection,
        "relay": record.relay,
        "sequence": record.sequence,
        "not_after": record.not_after,
    }
    return said if age is None else said | {"age": round(age, 1)}
