"""``glasnost token create``: let one more node in."""

from __future__ import annotations

import ipaddress

import click

from glasnost.cli import common
from glasnost.cli.output import note, say
from glasnost.core.address import Address, Route, Stage
from glasnost.core.address.names import check_label
from glasnost.core.text import duration
from glasnost.daemons.host import own_address
from glasnost.errors import Unavailable
from glasnost.roles import authority_state
from glasnost.roles.agent_client import AgentClient
from glasnost.settings import Settings, run_directory

#: A token is made to be used at once, seconds.
LIFETIME = 3600.0


@click.group()
def token() -> None:
    """Let nodes in: make join tokens."""


@token.command()
@click.option("--node", required=True, help="The name of the node that may join.")
@common.networks("A named network it will be on.")
@click.option(
    "--at", "places", type=common.PLACE, multiple=True, help="Where this host is reached: IP:PORT."
)
@click.option(
    "--lifetime",
    type=common.SECONDS,
    default=LIFETIME,
    show_default=True,
    help="How long it can be used.",
)
@click.option("--replace", is_flag=True, help="The name is taken, and passes to the new node.")
def create(
    node: str,
    networks: tuple[str, ...],
    places: tuple[tuple[str, int], ...],
    lifetime: float,
    replace: bool,
) -> None:
    """Print a token for one node.

    `glasnost join` reads it there, from stdin. It is a secret, and works once.
    """
    home, settings = common.settings()
    check_label(node)
    state = home / "authority"
    if not state.exists():
        raise Unavailable(f"{home} holds no authority: tokens are made where it is")
    address = _told(places) if places else common.run_async(_own(settings))
    made = authority_state.create_token(state, node, address, networks, lifetime, replace=replace)
    say(str(made))
    note(f"lets in one node, {node}, within {duration(lifetime)}; pass it on as a secret")


def _told(places: tuple[tuple[str, int], ...]) -> str:
    routes = []
    for host, number in places:
        try:
            ipaddress.ip_address(host)
        except ValueError:
            raise click.BadParameter(
                f"{host!r} is no IP address, such as 203.0.113.9", param_hint="'--at'"
            ) from None
        routes.append(Route("public", (Stage.ip(host, number), Stage.service("authority"))))
    return str(Address(tuple(routes)))


async def _own(settings: Settings) -> str:
    client = await AgentClient.connect(run_directory(settings))
    try:
        address = await own_address(client, "authority")
    finally:
        await client.close()
    if not address:
        raise Unavailable(
            "this host has no address that another could use: put it on a network "
            "(`glasnost up --network NAME`), or say where it is reached (`--at IP:PORT`)"
        )
    return address
