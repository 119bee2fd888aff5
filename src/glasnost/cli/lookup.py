"""``glasnost lookup NAME``: what a name means."""

from __future__ import annotations

import click

from glasnost.cli import common
from glasnost.cli.ls import as_dict
from glasnost.cli.output import say, say_json
from glasnost.core.text import duration
from glasnost.core.wire.messages import Record
from glasnost.node import Node


@click.command()
@click.argument("name")
@common.as_json
def lookup(name: str, json: bool) -> None:
    """Print the record of NAME, one route a line."""
    record, age = common.run_async(_lookup(name))
    if json:
        say_json(as_dict(record, age))
        return
    reach = "unknown" if record.reach is None else " ".join(record.reach) or "nothing"
    say(f"{record.name}  {record.protection}, relay {record.relay}, renewed {duration(age)} ago")
    say(f"reaches {reach}")
    for route in record.address.split(","):
        say(f"  {route}")


async def _lookup(name: str) -> tuple[Record, float]:
    async with Node() as node:
        return await node.local.resolve(node.name(name))
