"""``glasnost agent|broker|directory|authority``: one role in the foreground."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import click

from glasnost.cli import common
from glasnost.daemons import host
from glasnost.daemons.run import run
from glasnost.errors import Unavailable
from glasnost.roles.home import NodeIdentity
from glasnost.roles.local import LocalAgent
from glasnost.settings import Settings


@click.command()
@common.port
@common.log
@common.verbose
def agent(port: int | None, log: str | None, verbose: bool) -> None:
    """Run this host's agent.

    It owns the shared port, publishes this host's names, and dials for its programs.
    """
    home, settings = common.settings(port=port, log=log)
    NodeIdentity(home)  # whatever is wrong with it is said before anything else
    run(lambda: host.agent(home, settings), settings, verbose)


@click.command()
@common.log
@common.verbose
def broker(log: str | None, verbose: bool) -> None:
    """Run a broker behind this host's agent."""
    _, settings = common.settings(log=log)
    _role(lambda local, reopen: host.broker(settings, local, reopen), settings, verbose)


@click.command()
@common.log
@common.verbose
def directory(log: str | None, verbose: bool) -> None:
    """Run the directory behind this host's agent."""
    home, settings = common.settings(log=log)
    _role(lambda local, reopen: host.directory(home, settings, local, reopen), settings, verbose)


@click.command()
@click.option("--node-lifetime", type=float, help="Seconds that a node's certificate lasts.")
@common.log
@common.verbose
def authority(node_lifetime: float | None, log: str | None, verbose: bool) -> None:
    """Run the pool's authority behind this host's agent."""
    home, settings = common.settings(log=log)
    if not (home / "authority").exists():
        raise Unavailable(f"{home} holds no authority: `glasnost init` makes one")
    _role(
        lambda local, reopen: host.authority(home, local, reopen, node_lifetime), settings, verbose
    )


def _role(
    role: Callable[[LocalAgent, host.Reopen], AbstractAsyncContextManager[object]],
    settings: Settings,
    verbose: bool,
) -> None:
    @asynccontextmanager
    async def whole() -> AsyncIterator[None]:
        async with host.local_agent(settings) as (local, reopen), role(local, reopen):
            yield

    run(whole, settings, verbose)
