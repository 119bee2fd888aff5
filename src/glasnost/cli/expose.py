"""``glasnost expose NAME --to HOST:PORT``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import click

from glasnost.apps.expose import expose as serve
from glasnost.cli import common
from glasnost.cli.output import note, say
from glasnost.core.address.names import check_label
from glasnost.core.protocols.selector import parse_labels
from glasnost.daemons.host import Roles
from glasnost.daemons.run import run
from glasnost.errors import BadName
from glasnost.net.sockets import address_text
from glasnost.node import Node


def _labels(ctx: click.Context, param: click.Parameter, texts: tuple[str, ...]) -> dict[str, str]:
    try:
        return parse_labels(texts)
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param) from None


@click.command()
@click.argument("name")
@click.option("--to", type=common.PLACE, required=True, help="Where the service is.")
@click.option("--plain", is_flag=True, help="The service brings its own security (SSH, HTTPS).")
@click.option(
    "--relay",
    type=click.Choice(["sealed", "any", "no"]),
    default="sealed",
    show_default=True,
    help="What a broker may relay where no direct path is found.",
)
@click.option(
    "--label",
    "labels",
    metavar="KEY=VALUE",
    multiple=True,
    callback=_labels,
    help="A label by which others choose services; may be given several times.",
)
@common.verbose
def expose(
    name: str,
    to: tuple[str, int],
    plain: bool,
    relay: str,
    labels: dict[str, str],
    verbose: bool,
) -> None:
    """Give an ordinary TCP service a name.

    Sealed by default: callers are members of the pool, and TLS ends in this process. --plain
    passes everybody's bytes through.
    """
    host, port = to
    if "." in name:
        raise BadName(name, "one label is enough here, as the rest is this host's own name")
    name = check_label(name)
    protection = "plain" if plain else "sealed"

    @asynccontextmanager
    async def whole() -> AsyncIterator[Roles]:
        async with (
            Node() as node,
            await serve(
                node, name, host, port, protection=protection, relay=relay, labels=labels
            ) as server,
        ):
            say(f"{server.name} is {address_text(to)}")
            if plain:
                note("plain: it is open to whoever reaches this host's port, member or not")
            yield {}

    run(whole, common.settings()[1], verbose)
