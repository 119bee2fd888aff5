"""``glasnost agent|broker|directory|authority``: one role in the foreground."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import click

from glasnost.cli import common
from glasnost.daemons import host
from glasnost.daemons.run import run
from glasnost.errors import Unavailable
from glasnost.roles.home import NodeIdentity
from glasnost.roles.local import LocalAgent
from glasnost.settings import Settings, load_settings


@click.command()
@common.port
@common.log
@common.metrics
@common.verbose
def agent(port: int | None, log: str | None, metrics: common.Where, verbose: bool) -> None:
    """Run this host's agent.

    It owns the shared port, publishes this host's names, and dials for its programs.
    """
    home, settings = common.settings(port=port, log=log)
    NodeIdentity(home)  # whatever is wrong with it is said before anything else

    @asynccontextmanager
    async def whole() -> AsyncIterator[host.Roles]:
        async with host.agent(home, lambda: load_settings(home, port=port, log=log)) as serving:
            yield {"agent": serving}

    run(whole, settings, verbose, metrics or settings.metrics_place("agent"))


@click.command()
@common.log
@common.metrics
@common.verbose
def broker(log: str | None, metrics: common.Where, verbose: bool) -> None:
    """Run a broker behind this host's agent."""
    _, settings = common.settings(log=log)
    role = functools.partial(host.broker, settings)
    _role("broker", role, settings, verbose, metrics)


@click.command()
@common.log
@common.metrics
@common.verbose
def directory(log: str | None, metrics: common.Where, verbose: bool) -> None:
    """Run the directory behind this host's agent."""
    home, settings = common.settings(log=log)

    @asynccontextmanager
    async def whole() -> AsyncIterator[host.Roles]:
        async with (
            host.local_agent(settings) as (local, reopen),
            host.directory(home, settings, local, reopen) as roles,
        ):
            yield roles

    run(whole, settings, verbose, metrics or settings.metrics_place("directory"))


@click.command()
@click.option("--node-lifetime", type=float, help="Seconds that a node's certificate lasts.")
@common.log
@common.metrics
@common.verbose
def authority(
    node_lifetime: float | None, log: str | None, metrics: common.Where, verbose: bool
) -> None:
    """Run the pool's authority behind this host's agent."""
    home, settings = common.settings(log=log)
    if not (home / "authority").exists():
        raise Unavailable(f"{home} holds no authority: `glasnost init` makes one")
    role = functools.partial(host.authority, home, node_lifetime=node_lifetime)
    _role("authority", role, settings, verbose, metrics)


def _role(
    name: str,
    role: Callable[[LocalAgent, host.Reopen], AbstractAsyncContextManager[host.Role]],
    settings: Settings,
    verbose: bool,
    metrics: common.Where,
) -> None:
    @asynccontextmanager
    async def whole() -> AsyncIterator[host.Roles]:
        async with host.local_agent(settings) as (local, reopen), role(local, reopen) as serving:
            yield {name: serving}

    run(whole, settings, verbose, metrics or settings.metrics_place(name))
