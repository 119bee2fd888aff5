"""``glasnost up``: a pool on one machine, nothing to configure."""

from __future__ import annotations

import errno
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from glasnost.cli import common
from glasnost.cli.init import DEFAULT_POOL, make_pool
from glasnost.cli.output import note, say, say_json
from glasnost.core.address.names import pool_domain
from glasnost.daemons import host
from glasnost.daemons.run import run
from glasnost.errors import SettingsError
from glasnost.roles.agent import Agent
from glasnost.roles.home import NodeIdentity
from glasnost.settings import (
    CondorSetting,
    Settings,
    home_directory,
    load_settings,
    run_directory,
)

if TYPE_CHECKING:
    from glasnost.condor.central.lines import Part


@click.command()
@click.option("--pool", help=f"The pool's name, when it is made ({DEFAULT_POOL}).")
@click.option("--name", help="This node's name, when the pool is made; the short host name.")
@common.networks("A named network this node is on.")
@common.port
@click.option(
    "--condor",
    is_flag=True,
    help="Be the shared port, collector and CCB of a pool of HTCondor's, too; print its lines.",
)
@common.log
@common.metrics
@common.as_json
@common.verbose
def up(
    pool: str | None,
    name: str | None,
    networks: tuple[str, ...],
    port: int | None,
    condor: bool,
    log: str | None,
    metrics: common.Where,
    json: bool,
    verbose: bool,
) -> None:
    """A pool on this machine, or this host's part in one.

    Runs authority, directory, broker and agent in this one process; the first time, the pool is
    made. On a host that has joined another's pool, only the agent runs.

    With --condor, HTCondor's daemons and tools are served as well: the answer is a file for their
    configuration, whose first lines are in force, and whose others are for a pool that is moved
    bit by bit, and back. What HTCondor's central manager has besides, its negotiator, is not here.
    """
    home = home_directory()

    def read() -> Settings:
        found = load_settings(home, port=port, log=log).with_networks(networks)
        return _as_collector(found) if condor else found

    settings = read()
    if not NodeIdentity.exists(home):
        make_pool(home, pool or DEFAULT_POOL, name, networks)
    identity = NodeIdentity(home)
    if name is not None and name.lower() != identity.node:
        raise SettingsError(f"this node is called {identity.node} already ({home})")
    if pool is not None and pool_domain(pool) != identity.domain:
        raise SettingsError(f"this node is in {identity.domain} already ({home})")

    if condor and not (home / "authority").exists():
        raise SettingsError(
            "this host has joined another's pool: the collector is at its directory"
        )

    @asynccontextmanager
    async def whole() -> AsyncIterator[host.Roles]:
        async with _everything(home, read, settings) as (agent, serving):
            roles = [name for name in ("authority", "directory", "broker") if name in serving]
            _tell(settings, identity, agent.port_number, [*roles, "agent"], json)
            yield serving

    run(whole, settings, verbose, metrics or settings.metrics_place("agent"))


def _as_collector(settings: Settings) -> Settings:
    own = msgspec.structs.replace(settings.condor or CondorSetting(), collector=True)
    return msgspec.structs.replace(settings, condor=own)


def _is_collector(settings: Settings) -> bool:
    return settings.condor is not None and settings.condor.collector


@asynccontextmanager
async def _everything(
    home: Path, read: host.Read, settings: Settings
) -> AsyncIterator[tuple[Agent, host.Roles]]:
    """All roles. Raises `SettingsError`, and says so where HTCondor's own shared port is there."""
    if not _is_collector(settings):
        async with host.everything(home, read) as found:
            yield found
        return
    from glasnost.condor.central.taken import is_htcondor, is_htcondor_here, told_of  # few need it

    assert settings.condor is not None
    other = told_of(Path(settings.condor.port_ad)) if settings.condor.port_ad else None
    if (
        other is not None
        and other.port != settings.port
        and await is_htcondor(other.ip, other.port)
    ):
        raise SettingsError(
            f"HTCondor's shared port runs at {other} and writes {settings.condor.port_ad}: "
            "it has to end first, or [condor] to name others for `port_ad` and `sockets`"
        )
    try:
        async with host.everything(home, read) as found:
            yield found
    except SettingsError as error:
        if getattr(error.__cause__, "errno", None) != errno.EADDRINUSE:
            raise
        if await is_htcondor_here(settings.port):
            raise SettingsError(
                f"HTCondor's shared port or collector has port {settings.port}: it has to end "
                "first, or --port to say another"
            ) from None
        raise


def _tell(
    settings: Settings, identity: NodeIdentity, port: int | None, roles: list[str], json: bool
) -> None:
    """What has come of it: the answer, but for a file of HTCondor's, which is the answer then."""
    name = f"{identity.node}.{identity.domain}"
    found: tuple[Part, ...] = ()
    text = ""
    if _is_collector(settings) and "directory" in roles and port is not None:
        from glasnost.cli.condor_lines import lines  # few need it
        from glasnost.condor.central.lines import in_one_file

        found = lines(settings, port, identity.domain)
        text = in_one_file(found)
    if json:
        condor = {part.name: dict(part.sets) for part in found}
        say_json({"name": name, "port": port, "roles": roles, "condor": condor})
    else:
        tell = note if found else say
        tell(f"{name}: {_list(roles)} on port {port}")
        tell(f"sockets in {run_directory(settings)}, keys in {identity.home}; end with Ctrl-C")
        if text:
            say(text)
    if "authority" in roles:
        note("the authority's key is in this process too; `glasnost authority` parts them")


def _list(words: list[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last
