"""``glasnost expose NAME --to HOST:PORT``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import click

from glasnost.apps.expose import expose as serve
from glasnost.cli import common
from glasnost.cli.output import note, say
from glasnost.daemons.run import run
from glasnost.node import Node


@click.command()
@click.argument("name")
@click.option("--to", required=True, help="HOST:PORT of the service.")
@click.option("--plain", is_flag=True, help="The service brings its own security (SSH, HTTPS).")
@click.option("--relay", type=click.Choice(["sealed", "any", "no"]), default="sealed")
@common.verbose
def expose(name: str, to: str, plain: bool, relay: str, verbose: bool) -> None:
    """Give an ordinary TCP service a name.

    Sealed by default: callers are members of the pool, and TLS ends in this process. --plain
    passes everybody's bytes through.
    """
    host, port = common.host_port(to)
    protection = "plain" if plain else "sealed"

    @asynccontextmanager
    async def whole() -> AsyncIterator[None]:
        async with (
            Node() as node,
            await serve(node, name, host, port, protection=protection, relay=relay) as server,
        ):
            say(f"{server.name} is {to}")
            if plain:
                note("plain: it is open to whoever reaches this host's port, member or not")
            yield

    run(whole, verbose)
