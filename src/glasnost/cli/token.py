"""``glasnost token create``: let one more node in."""

from __future__ import annotations

import click

from glasnost.cli import common
from glasnost.cli.output import note, say
from glasnost.core.address import Address, Route, Stage
from glasnost.daemons.host import own_address
from glasnost.errors import Unavailable
from glasnost.roles import authority_state
from glasnost.roles.agent_client import AgentClient
from glasnost.settings import Settings, run_directory

#: A token is made to be used at once, seconds.
LIFETIME = 3600.0


@click.group()
def token() -> None:
    """Join tokens."""


@token.command()
@click.option("--node", required=True, help="The name of the node that may join.")
@click.option("--network", "networks", multiple=True, help="A named network it will be on.")
@click.option("--at", "places", multiple=True, help="HOST:PORT where this host is reached.")
@click.option("--lifetime", default=LIFETIME, show_default=True, help="Seconds.")
@click.option("--replace", is_flag=True, help="The name is taken, and passes to the new node.")
def create(
    node: str, networks: tuple[str, ...], places: tuple[str, ...], lifetime: float, replace: bool
) -> None:
    """Print a token for one node; `glasnost join` reads it there from stdin."""
    home, settings = common.settings()
    state = home / "authority"
    if not state.exists():
        raise Unavailable(f"{home} holds no authority: tokens are made where it is")
    address = _told(places) if places else common.run_async(_own(settings))
    made = authority_state.create_token(state, node, address, networks, lifetime, replace=replace)
    say(str(made))
    note(f"lets in one node, {node}, within {lifetime / 60:.0f} min; pass it on as a secret")


def _told(places: tuple[str, ...]) -> str:
    routes = []
    for place in places:
        host, number = common.host_port(place)
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
            "this host has no address that another could use: "
            "put it on a network (`--network`), or say where it is reached (`--at HOST:PORT`)"
        )
    return address
