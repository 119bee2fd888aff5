"""``glasnost condor ping`` and ``explain``: is a daemon reached, by which path, and as whom."""

from __future__ import annotations

from typing import Any

import click

from glasnost.cli import common
from glasnost.cli.condor_pool import address_of, in_pool, of_type, opened
from glasnost.cli.explain import show_plan
from glasnost.cli.output import complain, say, say_json, say_wrapped
from glasnost.cli.ping import show_traces
from glasnost.condor.addresses.explain import Line
from glasnost.condor.addresses.explain import explain as meaning
from glasnost.condor.addresses.reading import parse
from glasnost.condor.addresses.sinful import PRIV_ADDR, PRIV_NET
from glasnost.condor.client import Call
from glasnost.condor.commands import Level
from glasnost.condor.pool import Pinged
from glasnost.core.routes import Plan
from glasnost.core.text import printable
from glasnost.roles.dialler import CONNECT_TIMEOUT

_LEVELS = [one.name for one in Level if one is not Level.ALLOW]


@click.command()
@click.argument("daemon", metavar="SINFUL|NAME")
@in_pool
@of_type
@click.option(
    "--level",
    type=click.Choice(_LEVELS, case_sensitive=False),
    default=Level.READ.name,
    show_default=True,
    help="The permission to ask about.",
)
@click.option(
    "--timeout",
    type=common.SECONDS,
    default=CONNECT_TIMEOUT,
    show_default=True,
    help="Seconds for reaching it.",
)
@common.as_json
def ping(
    daemon: str, collector: str | None, called: str, level: str, timeout: float, json: bool
) -> int:
    """Reach a daemon of HTCondor's, and show by which path, how it is protected, and as whom.

    Nothing is done there: it is asked whether it allows us what the level stands for. Status 0:
    it does; 1: it does not, or was not reached.
    """

    async def ask() -> tuple[str, Pinged]:
        async with opened(collector, timeout) as pool:
            address = await address_of(pool, daemon, called)
            return address, await pool.ping(address, Level[level.upper()])

    address, found = common.run_async(ask())
    if json:
        say_json(_as_dict(address, found))
    else:
        _show(address, found)
    if not found.allowed:
        complain(f"{_user(found.connected.result)} is not allowed {found.level.name} there")
    return 0 if found.allowed else 1


def _show(address: str, found: Pinged) -> None:
    say_wrapped(address)
    show_traces([found.connected.trace])
    for failed in found.connected.failed:
        say_wrapped(f"  failed first: {failed}")
    say()
    for key, value in _security(found.connected.result).items():
        say(printable(f"{key:<14}  {value}", keep=""))  # a value is the daemon's word
    say(f"{found.level.name:<14}  {'allowed' if found.allowed else 'not allowed'}")


def _as_dict(address: str, found: Pinged) -> dict[str, Any]:
    return {
        "address": address,
        "path": found.connected.trace.as_dict(),
        "failed": [one.as_dict() for one in found.connected.failed],
        "security": _security(found.connected.result),
        "level": found.level.name,
        "allowed": found.allowed,
    }


def _security(call: Call) -> dict[str, str]:
    """What was agreed on, in words."""
    session = call.session
    if session is None:
        return {"known as": "nobody", "protected by": "nothing", "HTCondor": "unknown"}
    cipher = session.key.cipher if session.key is not None and call.stream.encrypted else "nothing"
    peer = session.peer
    return {
        "known as": session.identity.user,
        "logged in by": session.identity.method or "nothing",
        "protected by": cipher,
        "HTCondor": "unknown" if peer is None else ".".join(map(str, peer)),
    }


def _user(call: Call) -> str:
    return "nobody" if call.session is None else printable(call.session.identity.user, keep="")


@click.command()
@click.argument("daemon", metavar="SINFUL|NAME")
@in_pool
@of_type
@common.as_json
def explain(daemon: str, collector: str | None, called: str, json: bool) -> None:
    """Show what would be tried to reach a daemon of HTCondor's, and why; nothing is sent to it.

    All of its addresses count, all its brokers, and every way of each; beside that stands the
    one thing that HTCondor's own tools would do.
    """

    async def ask() -> tuple[str, Plan, str]:
        async with opened(collector) as pool:
            address = await address_of(pool, daemon, called)
            return address, pool.plan(address), pool.caller.config.private_network_name

    address, found, network = common.run_async(ask())
    dialled = _by_htcondor(address, network)
    if json:
        himself = {"dials": dialled.value, "why": dialled.meaning}
        say_json({"address": address, "htcondor": himself, **found.as_dict()})
        return
    say_wrapped(address)
    show_plan(found)
    say_wrapped(f"HTCondor's own tools would try: {dialled.value} ({dialled.meaning})")


def _by_htcondor(text: str, network: str) -> Line:
    """What HTCondor's own tools dial on this host, which is one place, tried once."""
    sinful = parse(text)
    private = sinful.param(PRIV_ADDR) or ""
    if network and sinful.param(PRIV_NET) == network:
        meant = parse(private) if private else sinful.with_params(CCBID=None)
        *_, dialled = meaning(meant)
        return dialled._replace(meaning=f"within the private network {network}")
    *_, dialled = meaning(sinful)
    if sinful.contacts and "#" in sinful.contacts[0].partition("#")[2]:
        return dialled._replace(meaning="a broker behind a broker: only by relay")
    return dialled
