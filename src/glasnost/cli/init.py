"""``glasnost init``: a new pool, whose authority and first node are here."""

from __future__ import annotations

import time
from pathlib import Path

import click

from glasnost.cli import common
from glasnost.cli.output import say
from glasnost.core.address.names import check_label, pool_domain
from glasnost.core.wire.messages import Directory
from glasnost.errors import SettingsError
from glasnost.net.sockets import private_directory
from glasnost.roles.authority import Authority
from glasnost.roles.home import NodeIdentity, Pool, write_home
from glasnost.trust import checks
from glasnost.trust.certificates import make_csr
from glasnost.trust.keys import new_key

#: The pool of who gives it no name.
DEFAULT_POOL = "home"


@click.command()
@click.option("--pool", default=DEFAULT_POOL, show_default=True, help="The pool's name.")
@click.option("--name", help="This node's name; by default the short host name.")
@common.networks("A named network this node is on.")
def init(pool: str, name: str | None, networks: tuple[str, ...]) -> None:
    """Make a new pool, with this host as its first node."""
    home, _ = common.settings()
    node = make_pool(home, pool, name, networks)
    say(f"{node}.{pool_domain(pool)} is the first node of pool {pool}; its keys are in {home}")


def make_pool(home: Path, pool: str, name: str | None, networks: tuple[str, ...]) -> str:
    """The name of the first node. Raises `SettingsError` where a pool has been joined already."""
    if NodeIdentity.exists(home):
        raise SettingsError(f"{home} belongs to a pool already")
    node = check_label(name) if name else common.host_label()
    domain, state, key = pool_domain(pool), home / "authority", new_key()
    private_directory(home)
    root = Authority.create(state, check_label(pool), time.time())
    enrolled = Authority(state, tuple).enrol_local(node, make_csr(key), networks)
    told = Pool(domain, node, "", (Directory(f"directory.{node}.{domain}", ""),), networks)
    write_home(home, key, root, told, enrolled.certificate)
    checks.check_node(root, checks.read_certificate(enrolled.certificate), time.time())
    return node
