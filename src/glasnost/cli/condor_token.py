"""``glasnost condor token``: tokens by which HTCondor's programs log in here (IDTOKENS)."""

from __future__ import annotations

import time

import click

from glasnost.cli import common
from glasnost.cli.output import note, say
from glasnost.condor.central.keys import SigningKeys
from glasnost.condor.central.role import trust_domain
from glasnost.condor.commands import Level
from glasnost.core.text import duration
from glasnost.errors import Unavailable
from glasnost.roles.home import NodeIdentity
from glasnost.settings import CondorSetting

_LEVELS = [one.name for one in Level if one is not Level.ALLOW]


@click.group()
def token() -> None:
    """Let HTCondor's programs log in: make tokens for them."""


@token.command()
@click.option("--identity", required=True, metavar="USER@DOMAIN", help="As whom they log in.")
@click.option(
    "--authz",
    "levels",
    type=click.Choice(_LEVELS, case_sensitive=False),
    multiple=True,
    help="A permission that it is limited to; by default whatever the identity may.",
)
@click.option("--lifetime", type=common.SECONDS, help="How long it holds; by default for ever.")
def create(identity: str, levels: tuple[str, ...], lifetime: float | None) -> None:
    """Print a token for HTCondor's programs.

    It is a secret, and is put into a file of `/etc/condor/tokens.d` or `~/.condor/tokens.d`, mode
    0600. It is signed by the key of this host's collector, which alone believes it.

    \b
      glasnost condor token create --identity condor@pool > node7.token
      glasnost condor token create --identity alice@pool --authz READ --lifetime 86400
    """
    home, settings = common.settings()
    own = settings.condor or CondorSetting()
    keys = SigningKeys(home)
    if not own.collector and not keys.read():  # `up --condor` has made one
        raise Unavailable("this host is no collector: neither `up --condor` nor [condor] says so")
    domain = trust_domain(own, NodeIdentity(home).domain)
    keys.ready()
    limits = [Level[name.upper()] for name in levels] or None
    made = keys.sign(domain, identity, time.time(), lifetime, limits)
    say(made.text())
    how_long = "for ever" if lifetime is None else f"for {duration(lifetime)}"
    what = ", ".join(level.value for level in limits) if limits else f"whatever {identity} may"
    note(f"logs in as {identity} {how_long}, for {what}; pass it on as a secret")
