"""``glasnost explain NAME``: what would be tried, and why."""

from __future__ import annotations

import click

from glasnost.cli import common
from glasnost.cli.output import say, say_json
from glasnost.core.routes import Plan, Vantage
from glasnost.node import Node


@click.command()
@click.argument("name")
@common.as_json
def explain(name: str, json: bool) -> None:
    """Show every route of NAME: kept or discarded, in which order, for which reason."""
    vantage, plan = common.run_async(_explain(name))
    if json:
        say_json({"vantage": vantage.as_dict(), **plan.as_dict()})
        return
    say("from here:")
    say("\n".join(f"  {line}" for line in str(vantage).splitlines()))
    say(str(plan))


async def _explain(name: str) -> tuple[Vantage, Plan]:
    async with Node() as node:
        return await node.local.where(), await node.explain(name)
