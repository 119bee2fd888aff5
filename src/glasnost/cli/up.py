"""``glasnost up``: a pool on one machine, nothing to configure."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import click

from glasnost.cli import common
from glasnost.cli.init import DEFAULT_POOL, make_pool
from glasnost.cli.output import note, say
from glasnost.core.address.names import pool_domain
from glasnost.daemons import host
from glasnost.daemons.run import run
from glasnost.errors import SettingsError
from glasnost.roles.home import NodeIdentity
from glasnost.settings import Settings, home_directory, load_settings, run_directory


@click.command()
@click.option("--pool", help=f"The pool's name, when it is made ({DEFAULT_POOL}).")
@click.option("--name", help="This node's name, when the pool is made; the short host name.")
@common.networks("A named network this node is on.")
@common.port
@common.log
@common.metrics
@common.verbose
def up(
    pool: str | None,
    name: str | None,
    networks: tuple[str, ...],
    port: int | None,
    log: str | None,
    metrics: common.Where,
    verbose: bool,
) -> None:
    """A pool on this machine, or this host's part in one.

    Runs authority, directory, broker and agent in this one process; the first time, the pool is
    made. On a host that has joined another's pool, only the agent runs.
    """
    home = home_directory()

    def read() -> Settings:
        return load_settings(home, port=port, log=log).with_networks(networks)

    settings = read()
    if not NodeIdentity.exists(home):
        make_pool(home, pool or DEFAULT_POOL, name, networks)
    identity = NodeIdentity(home)
    if name is not None and name.lower() != identity.node:
        raise SettingsError(f"this node is called {identity.node} already ({home})")
    if pool is not None and pool_domain(pool) != identity.domain:
        raise SettingsError(f"this node is in {identity.domain} already ({home})")

    @asynccontextmanager
    async def whole() -> AsyncIterator[host.Roles]:
        async with host.everything(home, read) as (agent, serving):
            roles = "authority, directory, broker and agent"
            if not (home / "authority").exists():
                roles = "agent"
            say(f"{identity.node}.{identity.domain}: {roles} on port {agent.port_number}")
            say(f"sockets in {run_directory(settings)}, keys in {home}; end with Ctrl-C")
            if roles != "agent":
                note("the authority's key is in this process too; `glasnost authority` parts them")
            yield serving

    run(whole, settings, verbose, metrics or settings.metrics_place("agent"))
