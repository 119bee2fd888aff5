"""``glasnost reload``: the running agent reads its settings again."""

from __future__ import annotations

import click

from glasnost.cli import common
from glasnost.cli.output import note, say
from glasnost.core.wire.messages import Reloaded
from glasnost.roles.agent_client import AgentClient
from glasnost.settings import run_directory


@click.command()
def reload() -> None:
    """Have this host's agent read its settings again.

    They hold for new connections; those that exist stay as they are. Where the settings cannot be
    used, the agent goes on with what it has.
    """
    _, settings = common.settings()

    async def ask() -> Reloaded:
        client = await AgentClient.connect(run_directory(settings))
        try:
            return await client.reload()
        finally:
            await client.close()

    found = common.run_async(ask())
    say(f"changed: {', '.join(found.changed)}" if found.changed else "nothing has changed")
    if found.kept:
        note(f"only from the agent's next start on: {', '.join(found.kept)}")
