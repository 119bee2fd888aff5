"""``glasnost match``: who of a pool can reach whom, and what would let the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import BinaryIO

import click
import msgspec

from glasnost.cli import common
from glasnost.cli.output import note, say_json
from glasnost.cli.reachability import as_dict, limited, show
from glasnost.cli.selectors import SELECTOR
from glasnost.core.protocols.selector import Term, all_hold
from glasnost.core.routes import Endpoint
from glasnost.core.routes.report import Party, Report
from glasnost.core.wire.messages import Query, Record
from glasnost.errors import AddressError
from glasnost.node import Node
from glasnost.stages import traits


@click.command()
@click.option(
    "--selector",
    "selectors",
    type=SELECTOR,
    multiple=True,
    help="Labels of the sources, and once more for the targets: key=value, key!=value, key, "
    "!key, with commas between.",
)
@click.option(
    "--records",
    type=click.File("rb"),
    help="Ask no directory: a file as `glasnost ls --json` prints it; - is standard input.",
)
@limited
@common.as_json
def match(
    selectors: tuple[tuple[Term, ...], ...], records: BinaryIO | None, limit: int, json: bool
) -> None:
    """Show who can reach whom, by records alone.

    No packet is sent to any of them.

    \b
      glasnost match --selector role=schedd --selector role=startd
      glasnost ls --json | glasnost match --records -

    One selector matches its services with each other; none, all. Services whose records differ
    in literals and names only are one class.
    """
    if len(selectors) > 2:
        raise click.UsageError("two selectors at most: the sources', then the targets'")
    sides = _from_file(records, selectors) if records else common.run_async(_asked(selectors))
    empty = next((number for number, side in enumerate(sides) if not side), None)
    if empty is not None:
        which = f" fits {','.join(map(str, selectors[empty]))}" if selectors else " there"
        note(f"no record{which}")
        if not json:
            return
    parties = [_party(letter, side) for letter, side in zip("ST", sides, strict=False)]
    sources, targets = parties[0], parties[-1]
    forth = Report(sources, targets, traits())
    back = Report(targets, sources, traits()) if len(parties) == 2 else None
    if json:
        say_json(as_dict(forth, back, limit))
    else:
        show(forth, back, limit)


async def _asked(selectors: Sequence[tuple[Term, ...]]) -> list[list[Record]]:
    """The records of each side, from the directory."""
    async with Node() as node:
        agent = await node.agent()
        sides = []
        for terms in selectors or ((),):
            found = await agent.query(Query(selector=tuple(map(str, terms))))
            sides.append([record for record, _ in found])
        return sides


def _from_file(records: BinaryIO, selectors: Sequence[tuple[Term, ...]]) -> list[list[Record]]:
    try:
        found = msgspec.json.decode(records.read(), type=list[Record])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise click.ClickException(f"{records.name}: no list of records: {error}") from None
    return [
        [record for record in found if all_hold(terms, record.labels)]
        for terms in selectors or ((),)
    ]


def _party(letter: str, records: Sequence[Record]) -> Party:
    endpoints = []
    for record in records:
        try:
            endpoints.append(Endpoint.of_record(record))
        except AddressError as error:
            raise click.ClickException(f"the record of {record.name}: {error}") from None
    return Party(letter, [_short(record.name) for record in records], endpoints)


def _short(name: str) -> str:
    """Names are of one pool, so the service and the node tell them apart."""
    return ".".join(name.split(".")[:2])
