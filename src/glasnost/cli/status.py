"""``glasnost status``: what this host's agent knows of itself."""

from __future__ import annotations

from typing import Any

import click

from glasnost.cli import common
from glasnost.cli.output import say, say_json
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
    say(f"{found['node']}.{found['domain']}, port {found['port']}")
    for door in found["doors"]:
        say(f"  met at {door}")
    for name, calls in found["services"].items():
        say(f"  service {name}: {calls} calls")
    for name, state in (found["brokers"] | found["directories"]).items():
        say(f"  {name}: {state}")
