"""``glasnost condor bridge``: the daemons of a pool of HTCondor's, published under names."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import click

from glasnost.cli import common
from glasnost.cli.condor_pool import in_pool
from glasnost.cli.output import note, say
from glasnost.condor.bridge.daemon import ROLES
from glasnost.condor.bridge.following import EVERY, Following
from glasnost.condor.bridge.gathering import Gathering, question
from glasnost.condor.bridge.places import pool_of
from glasnost.condor.bridge.running import Bridge
from glasnost.condor.caller import Caller
from glasnost.condor.classad import Ad
from glasnost.condor.config import read_config
from glasnost.condor.pool import Pool
from glasnost.condor.questions import Question
from glasnost.condor.reaching import Reaching
from glasnost.daemons.host import Roles
from glasnost.daemons.run import run
from glasnost.net.interfaces import read_host
from glasnost.node import Node, standing

network = click.option(
    "--network",
    metavar="NAME",
    help="The network of the pool's private addresses that have no name of their own.",
)
#: Said where nobody has said it.
PRIVATE = "private addresses without a name are taken to be on one network, {}"
roles_of = tuple(dict.fromkeys(ROLES.values()))


@click.command()
@in_pool
@click.option(
    "--role",
    "roles",
    type=click.Choice(roles_of),
    multiple=True,
    help="Only these daemons; may be given several times.",
)
@click.option("--constraint", default="", metavar="EXPR", help="Only ads for which this is true.")
@network
@click.option(
    "--every",
    type=common.SECONDS,
    default=EVERY,
    show_default=True,
    help="Seconds between two questions to the collector.",
)
@common.verbose
def bridge(
    collector: str | None,
    roles: tuple[str, ...],
    constraint: str,
    network: str | None,
    every: float,
    verbose: bool,
) -> None:
    """Publish the daemons of an HTCondor pool as names below this node's.

    \b
      glasnost condor bridge --pool cm.example.org
      glasnost ls                                  schedd-submit1.NODE ...
      glasnost match --selector role=schedd --selector role=startd
      glasnost forward 9000 schedd-submit1.NODE

    The pool needs no change: its collector is asked, and what it knows of each daemon's address
    becomes a record that this node vouches for. Slots are their startd. A private address that
    nobody names is on the network that --network or [[networks]] say, else on one called as the
    collector's host. Runs until it is stopped, and then everything is withdrawn.
    """
    settings = common.settings()[1]
    try:
        asked = question(roles, constraint)
    except ValueError as error:
        raise click.UsageError(f"--constraint: {error}") from None
    config = read_config()
    for finding in config.findings:
        note(f"HTCondor's configuration: {finding}")
    caller = Caller.of(config)
    collectors = [collector] if collector else list(config.collectors)
    about = pool_of(
        collectors, config.collector_port, network, settings.networks, read_host().host_id
    )

    async def ads(question: Question = asked) -> AsyncGenerator[list[Ad], None]:
        # Where this host stands is looked at each time: it may have moved.
        async with standing() as here:
            with Reaching(here, config) as reaching:
                pool = Pool(caller, reaching, collectors)
                async with contextlib.aclosing(pool.query(question)) as batches:
                    async for batch in batches:
                        yield batch

    @asynccontextmanager
    async def whole() -> AsyncIterator[Roles]:
        async with Node() as node:
            running = Bridge(ads, lambda: Gathering(about, roles), node.agent, Following(every))
            running.start()
            try:
                say(f"daemons of {about.name} are published as ROLE-NAME.{node.local.node}")
                if network is None:
                    note(PRIVATE.format(about.places.private))
                yield {}
            finally:
                await running.close()

    run(whole, settings, verbose)
