"""The command around `connect`: its options, and the way where no agent runs."""

from __future__ import annotations

import asyncio
import sys

import click

from glasnost.cli.common import run_async
from glasnost.cli.connect import copy, through_agent
from glasnost.net.bridge import bridge
from glasnost.net.sockets import pair
from glasnost.node import Node


@click.command()
@click.argument("name")
@click.option(
    "--fdpass", is_flag=True, help="Hand the connected socket over (ssh's ProxyUseFdpass)."
)
def connect(name: str, fdpass: bool) -> int:
    """Connect standard input and output to NAME.

    \b
      ssh -o ProxyCommand="glasnost connect ssh.HOST" me@HOST
    """
    status = through_agent(name, fdpass)
    if status is not None:
        return status
    if fdpass:
        raise click.ClickException("--fdpass needs an agent on this host")
    return run_async(_by_ourselves(name))


async def _by_ourselves(name: str) -> int:
    """Be the node ourselves, and copy beside the loop."""
    async with Node() as node:
        connected = await node.connect(name)
        ours, theirs = pair()
        copying = asyncio.create_task(bridge(connected.result, ours))
        await asyncio.to_thread(copy, theirs)
        copied = await copying
    if copied.error is not None:
        print(f"glasnost: error: {copied.error}", file=sys.stderr)
        return 1
    return 0
