"""``glasnost explain``: what would be tried to reach a name, and why."""

from __future__ import annotations

import json as jsonlib
import tomllib
from collections.abc import Mapping
from typing import Any, BinaryIO, NamedTuple

import click

from glasnost.cli import common
from glasnost.cli.address_forms import guess, read
from glasnost.cli.output import say, say_json, say_wrapped, table
from glasnost.core.address import parse_reach
from glasnost.core.routes import Endpoint, Plan, Policy, Target, Vantage, plan
from glasnost.core.routes.afar import CANNOT_KNOW, vantage_of
from glasnost.core.wire.messages import Record
from glasnost.errors import AddressError, GlasnostError, SettingsError, UnknownName
from glasnost.node import Node
from glasnost.roles.dialler import target_of
from glasnost.settings import home_directory, load_settings
from glasnost.stages import traits


class _Explained(NamedTuple):
    """A plan, where it was made from, and in whose words: a record says only so much."""

    here: str
    vantage: Vantage
    plan: Plan
    by_record: bool = False


@click.command()
@click.argument("name", required=False)
@click.option("--from", "source", metavar="A", help="Explain for A, a name or a node, instead.")
@click.option("--to", "target", metavar="B", help="With --from: the name or node to reach.")
@click.option(
    "--vantage",
    "file",
    type=click.File("rb"),
    help="Ask no daemon: where one stands, as --json prints it, in JSON or TOML; - is stdin.",
)
@click.option("--address", metavar="TEXT", help="With --vantage: the address to reach.")
@click.option("--reach", metavar="LANDINGS", help="What it could dial back to: ip4@public, none.")
@click.option("--no-relay", is_flag=True, help="Its record lets no broker relay.")
@common.as_json
def explain(
    name: str | None,
    source: str | None,
    target: str | None,
    file: BinaryIO | None,
    address: str | None,
    reach: str | None,
    no_relay: bool,
    json: bool,
) -> None:
    """Show which routes lead to NAME, and why.

    Every route is kept or discarded, in an order, for a reason; nothing is sent to NAME. --from
    and --to put two others in the places of this host and of NAME; with --vantage and --address
    nobody is asked.
    """
    match (name, source, target, file, address):
        case (str(), None, None, None, None) if reach is None and not no_relay:
            found = common.run_async(_from_here(name))
        case (None, str(), str(), None, None) if reach is None and not no_relay:
            found = common.run_async(_between(source, target))
        case (None, None, None, _, str()) if file is not None:
            found = _on_paper(file, address, reach, no_relay)
        case _:
            raise click.UsageError(
                "one of these is needed: NAME; --from A --to B; --vantage FILE --address TEXT"
            )
    if json:
        say_json(_as_dict(found))
    else:
        _show(found)


async def _from_here(name: str) -> _Explained:
    async with Node() as node:
        return _Explained("here", await node.local.where(), await node.explain(name))


async def _between(source: str, target: str) -> _Explained:
    """Two records are all that is known, so nobody's settings and no history count."""
    async with Node() as node:
        one, other = await _record(node, source), await _record(node, target)
    vantage = vantage_of(Endpoint.of_record(one))
    found = plan(vantage, target_of(other), Policy(meet=True), kinds=traits())
    return _Explained(f"{one.name}, to {other.name}", vantage, found, by_record=True)


async def _record(node: Node, text: str) -> Record:
    """The record of a name; of a node, that of one of its names: it stands where they stand."""
    if "." in text:
        return (await node.local.resolve(node.name(text)))[0]
    found = await node.local.listing(f"*.{text.lower()}.{node.local.domain}")
    if not found:
        raise UnknownName("unknown-name", f"the node {text} has published no name")
    return min((record for record, _ in found), key=lambda record: record.name)


def _on_paper(file: BinaryIO, address: str, reach: str | None, no_relay: bool) -> _Explained:
    """Without any daemon; what our own settings say of networks holds as usual."""
    vantage = _read_vantage(file)
    try:
        routes, _ = read(address, guess(address))
    except GlasnostError as error:
        raise click.UsageError(f"--address: {error}") from None
    try:
        landings = None if reach is None else parse_reach(reach)
    except AddressError as error:
        raise click.UsageError(f"--reach: {error}") from None
    policy = load_settings(home_directory()).policy()
    found = plan(vantage, Target(routes, landings, relay=not no_relay), policy, kinds=traits())
    return _Explained("there", vantage, found)


def _read_vantage(file: BinaryIO) -> Vantage:
    """A vantage, alone or as ``vantage`` in what ``explain --json`` and ``status --json`` print."""
    try:
        text = file.read().decode()
        data: Any = jsonlib.loads(text) if text.lstrip()[:1] in "{[" else tomllib.loads(text)
        if isinstance(data, Mapping):
            data = data.get("vantage", data)
        if not isinstance(data, Mapping) or not {"exits", "returns"} & data.keys():
            raise ValueError("a vantage has exits and returns")
        return Vantage.from_dict(data)
    except (ValueError, RecursionError) as error:  # not UTF-8, JSON or TOML, or no vantage
        raise SettingsError(f"{getattr(file, 'name', 'the vantage')}: {error}") from None


def _as_dict(found: _Explained) -> dict[str, Any]:
    whole = {"from": found.here, "vantage": found.vantage.as_dict(), **found.plan.as_dict()}
    return {**whole, "unknown": list(CANNOT_KNOW)} if found.by_record else whole


def _show(found: _Explained) -> None:
    say(f"from {found.here}:")
    say_wrapped("\n".join(f"  {line}" for line in str(found.vantage).splitlines()))
    if found.by_record:
        say_wrapped(f"  not known, as no record says it: {'; '.join(CANNOT_KNOW)}")
    show_plan(found.plan)


def show_plan(plan: Plan) -> None:
    """The candidates in a table, and why each stands where it does; then what is not used."""
    say("tried in this order:" if plan.candidates else "no path leads there")
    if plan.candidates:
        rows = [
            [str(number), str(path.route_number), str(path.exit_number), path.how, str(path.route)]
            for number, path in enumerate(plan.candidates, 1)
        ]
        say(table(["try", "route", "exit", "how", "path"], rows))
        say("for these reasons:")
    for number in range(1, len(plan.candidates) + 1):
        placed, _, *crossed = plan.why(number)
        say_wrapped("\n".join([f"  {number}. {placed}", *[f"     {line}" for line in crossed]]))
    if plan.rejected:
        say("not used:")
    for one in plan.rejected:
        say_wrapped(f"  {one}")
        say_wrapped(f"    hint: {one.hint}")
