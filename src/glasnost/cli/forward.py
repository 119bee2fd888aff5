"""``glasnost forward [HOST:]PORT NAME``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import click

from glasnost.apps.forward import Forwarder
from glasnost.cli import common
from glasnost.cli.output import say
from glasnost.daemons.run import run
from glasnost.node import Node


@click.command()
@click.argument("port")
@click.argument("name")
@common.verbose
def forward(port: str, name: str, verbose: bool) -> None:
    """Make NAME reachable at a local PORT (or HOST:PORT)."""
    host, number = common.host_port(port)

    @asynccontextmanager
    async def whole() -> AsyncIterator[None]:
        async with Node() as node:
            full = node.name(name)
            forwarder = Forwarder(node, full, host, number)
            say(f"{forwarder.address} leads to {full}")
            task = asyncio.create_task(forwarder.run())
            try:
                yield
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    run(whole, verbose)
