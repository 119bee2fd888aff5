"""``glasnost forward [HOST:]PORT NAME``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import click

from glasnost.apps.forward import Forwarder
from glasnost.cli import common
from glasnost.cli.output import note, say
from glasnost.daemons.host import Roles
from glasnost.daemons.run import run
from glasnost.errors import UnknownName
from glasnost.node import Node


@click.command()
@click.argument("port", type=common.LISTEN, metavar="[HOST:]PORT")
@click.argument("name")
@common.verbose
def forward(port: tuple[str, int], name: str, verbose: bool) -> None:
    """Make NAME reachable at a local port.

    PORT 0 takes one that is free; which one is the first thing printed.
    """
    host, number = port

    @asynccontextmanager
    async def whole() -> AsyncIterator[Roles]:
        async with Node() as node:
            full = node.name(name)
            forwarder = Forwarder(node, full, host, number)
            say(f"{forwarder.address} leads to {full}")
            try:
                await node.local.resolve(full)
            except UnknownName:
                note(f"nothing is called {full} now: callers are hung up on until something is")
            task = asyncio.create_task(forwarder.run())
            try:
                yield {}
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    run(whole, common.settings()[1], verbose)
