"""``glasnost ls``: what has a name in this pool."""

from __future__ import annotations

import click

from glasnost.cli import common
from glasnost.cli.output import duration, say, say_json, table
from glasnost.core.wire.messages import Record
from glasnost.node import Node


@click.command()
@click.argument("glob", default="*")
@common.as_json
def ls(glob: str, json: bool) -> None:
    """List the names that match GLOB (of `service.node`)."""
    domain, found = common.run_async(_list(glob))
    if json:
        say_json([as_dict(record, age) for record, age in found])
        return
    rows = [
        [
            record.name.removesuffix(f".{domain}"),
            record.protection,
            record.relay,
            str(record.address.count(",") + 1),
            duration(age),
        ]
        for record, age in found
    ]
    if rows:
        say(table(["name", "protection", "relay", "routes", "renewed"], rows))


async def _list(glob: str) -> tuple[str, list[tuple[Record, float]]]:
    async with Node() as node:
        domain = node.local.domain
        return domain, await node.local.listing(f"{glob.removesuffix('.' + domain)}.{domain}")


def as_dict(record: Record, age: float) -> dict[str, object]:
    """A record for a program."""
    return {
        "name": record.name,
        "address": record.address,
        "reach": record.reach,
        "labels": record.labels,
        "protection": record.protection,
        "relay": record.relay,
        "sequence": record.sequence,
        "not_after": record.not_after,
        "age": round(age, 1),
    }
