"""``glasnost condor config``: the lines by which HTCondor's programs use this host, or theirs."""

from __future__ import annotations

import click

from glasnost.cli import common
from glasnost.cli.output import say, say_json
from glasnost.condor.central.lines import Part, collector_host, in_one_file, parts
from glasnost.condor.central.role import trust_domain
from glasnost.condor.port.own import own_addresses
from glasnost.errors import Unavailable
from glasnost.net.interfaces import read_host
from glasnost.roles.home import NodeIdentity
from glasnost.settings import CondorSetting, Settings

_NAMES = ("all", "pool", "first", "behind", "here", "back")


def lines(settings: Settings, number: int, domain: str) -> tuple[Part, ...]:
    """What to say of a central manager at the shared port of this number, in the pool of this
    domain."""
    own = settings.condor or CondorSetting()
    places = own_addresses(read_host(), settings, number)
    host = collector_host(places, own.default_id)
    return parts(own, host, number, trust_domain(own, domain))


@click.command()
@click.argument("part", type=click.Choice(_NAMES), default="all")
@common.port
@common.as_json
def config(part: str, port: int | None, json: bool) -> None:
    """Print the lines of configuration by which HTCondor's programs use this host.

    \b
      glasnost condor config pool > /etc/condor/config.d/90-glasnost
      glasnost condor config first     a host advertises here and where it did before
      glasnost condor config behind    for hosts that cannot be dialled, besides
      glasnost condor config here      for HTCondor's daemons on this host, besides
      glasnost condor config back      HTCondor's defaults for all of these

    These are what `glasnost up --condor` prints: all in one, of which the first are in force.
    """
    home, settings = common.settings(port=port)
    if settings.port == 0:
        raise Unavailable("the port is another at each start: set `port`, or say --port")
    found = lines(settings, settings.port, NodeIdentity(home).domain)
    chosen = tuple(one for one in found if part in ("all", one.name))
    if json:
        say_json({one.name: dict(one.sets) for one in chosen})
    else:
        say(in_one_file(chosen))
