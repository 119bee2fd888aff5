"""``glasnost route``: addresses explained, converted and drawn. Asks nobody, needs no pool."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import click

from glasnost.cli import common
from glasnost.cli.address_forms import FORMS, MOST, guess, read
from glasnost.cli.output import note, say, say_json, table
from glasnost.condor.stages import KINDS as HTCONDOR
from glasnost.core.address import Address, Route, Stage
from glasnost.core.address.draw import dot, draw
from glasnost.core.address.kinds import KNOWN
from glasnost.core.routes.usable import why_unusable
from glasnost.errors import Unavailable
from glasnost.stages import crosses, register, traits

register(HTCONDOR)

_text = click.argument("text", metavar="ADDRESS")
_form = click.option(
    "--from",
    "form",
    type=click.Choice(list(FORMS)),
    help="The form that ADDRESS is in; by default, the one it seems to be in.",
)


@click.group()
def route() -> None:
    """Explain, convert and draw addresses.

    ADDRESS may be in any of the forms that `convert` knows; `-` reads it from stdin.
    """


@route.command()
@_text
@_form
@common.as_json
def parse(text: str, form: str | None, json: bool) -> None:
    """Say what each route and stage of ADDRESS means, and what could not be crossed here."""
    address = _read(_given(text), form)
    if json:
        routes = [_explained(one, number) for number, one in enumerate(address, 1)]
        say_json({"address": str(address), "routes": routes})
        return
    say("\n\n".join(_paragraph(one, number) for number, one in enumerate(address, 1)))


@route.command()
@_text
@_form
@click.option(
    "--to",
    type=click.Choice(list(FORMS)),
    default="text",
    show_default=True,
    help="; ".join(f"{name}: {form.what}" for name, form in FORMS.items()) + ".",
)
@common.as_json
def convert(text: str, form: str | None, to: str, json: bool) -> None:
    """Print ADDRESS in another form."""
    text = _given(text)
    form = form or guess(text)
    address, unread = read(text, form)
    result, unsaid = FORMS[to].write(address)
    missing = [*unread, *unsaid]
    if json:
        say_json({"from": form, "to": to, "result": result, "missing": missing})
        return
    for one in missing:
        note(f"not said: {one}")
    say(result)


@route.command(name="draw")
@_text
@_form
@click.option("--dot", "as_dot", is_flag=True, help="Print DOT, for Graphviz.")
@click.option("--svg", type=click.Path(dir_okay=False, path_type=Path), help="Write an SVG file.")
@common.as_json
def draw_(text: str, form: str | None, as_dot: bool, svg: Path | None, json: bool) -> None:
    """Draw ADDRESS as a graph: what its routes have in common is drawn once.

    In brackets stand the numbers of the routes.
    """
    if sum((as_dot, svg is not None, json)) > 1:
        raise click.UsageError("--dot, --svg and --json exclude each other")
    address = _read(_given(text), form)
    if svg is not None:
        svg.write_bytes(_svg(dot(address)))
    elif json:
        say_json(_graph(address))
    else:
        say(dot(address) if as_dot else draw(address))


def _read(text: str, form: str | None) -> Address:
    address, missing = read(text, form or guess(text))
    for one in missing:
        note(f"not said: {one}")
    return address


def _given(text: str) -> str:
    if text != "-":
        return text
    data = sys.stdin.buffer.read(MOST)
    return data.decode("utf-8", "surrogateescape").rstrip("\r\n")


def _explained(one: Route, number: int) -> dict[str, Any]:
    reason = why_unusable(one.stages, traits())
    return {
        "number": number,
        "route": str(one),
        "network": one.network,
        "landings": [str(landing) for landing in one.landings()],
        "usable": reason is None,
        "reason": reason,
        "stages": [
            {
                "stage": str(stage),
                "kind": stage.kind,
                "args": stage.args,
                "options": dict(stage.options),
                "carried": stage.carried,
                "crossed_here": crosses(stage.kind) and not stage.overfull,
                "does": _does(stage),
            }
            for stage in one.stages
        ],
    }


def _paragraph(one: Route, number: int) -> str:
    landings = " or ".join(map(str, one.landings())) or "no landing that is known here"
    rows = [[f"  {n}", str(stage), _does(stage)] for n, stage in enumerate(one.stages, 1)]
    _, *lines = table(["", "", ""], rows).splitlines()
    reason = why_unusable(one.stages, traits())
    verdict = "can be crossed here" if reason is None else f"cannot be used here: {reason}"
    return "\n".join([f"route {number}: {one}", f"  begins on {landings}", *lines, f"  {verdict}"])


def _does(stage: Stage) -> str:
    if stage.overfull:
        return f"has more arguments than a {stage.kind} stage; kept as it is"
    if stage.kind in KNOWN:
        return KNOWN[stage.kind].does
    return "a plugin's" if crosses(stage.kind) else "of no kind known here; kept as it is"


def _graph(address: Address) -> dict[str, Any]:
    graph = address.graph()
    return {
        "nodes": [
            {
                "ends": node.ends,
                "edges": [{"stage": str(edge.stage), "to": edge.to} for edge in node.edges],
            }
            for node in graph.nodes
        ],
        "starts": dict(graph.starts),
        "routes": [{"network": network, "path": number} for network, number in graph.ranks],
    }


def _svg(text: str) -> bytes:
    program = shutil.which("dot")
    if program is None:
        raise Unavailable("SVG needs Graphviz, and its program dot is not installed; --dot works")
    done = subprocess.run([program, "-Tsvg"], input=text.encode(), capture_output=True)
    if done.returncode:
        raise Unavailable(f"dot failed: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout
