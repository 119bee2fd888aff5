"""``glasnost status``: what this host's agent knows of itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from glasnost.cli import common
from glasnost.cli.output import note, say, say_json
from glasnost.roles.agent_client import AgentClient
from glasnost.settings import run_directory


@click.command()
@common.as_json
def status(json: bool) -> None:
    """Show this host's agent: doors, services, brokers, directories."""
    _, settings = common.settings()

    async def ask() -> dict[str, Any]:
        client = await AgentClient.connect(run_directory(settings))
        try:
            return await client.status()
        finally:
            await client.close()

    found = common.run_async(ask())
    if json:
        say_json(found)
        return
    say(f"{found['node']}.{found['domain']}: agent on port {found['port']}")
    for label, fact in _facts(found):
        say(f"{label:10} {fact}")
    if all(door.startswith("host.") for door in found["doors"]):
        note("other hosts cannot call: there is no public address, no named network, no broker yet")


def _facts(found: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What the agent said, one fact a line."""
    short = f".{found['domain']}"
    for door in found["doors"]:
        yield "met at", door
    for landing in dict.fromkeys(one["lands"] for one in found["vantage"]["exits"]):
        yield "reaches", landing
    for name, calls in found["services"].items():
        yield "serves", f"{name} ({calls} call{'' if calls == 1 else 's'})"
    for name, one in found["brokers"].items():
        why = f": {one['why']}" if one["why"] else ""
        yield "broker", f"{name.removesuffix(short)}: {one['state']}{why}"
    for name, state in found["directories"].items():
        yield "directory", f"{name.removesuffix(short)}: {state}"
