"""What HTCondor's commands share: the pool that is asked, and what a daemon is called."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator, Iterator

import click

from glasnost.by_address import is_address
from glasnost.cli.address_forms import FORMS
from glasnost.cli.output import note
from glasnost.condor.caller import Caller
from glasnost.condor.config import read_config
from glasnost.condor.pool import Pool
from glasnost.condor.reaching import Reaching
from glasnost.core.text import printable
from glasnost.errors import Refused
from glasnost.node import standing
from glasnost.roles.dialler import CONNECT_TIMEOUT

in_pool = click.option(
    "-pool",
    "--pool",
    "collector",
    metavar="HOST",
    help="The collector to ask: a host, HOST:PORT or an address; by default COLLECTOR_HOST.",
)


@contextlib.asynccontextmanager
async def opened(
    collector: str | None = None, timeout: float = CONNECT_TIMEOUT
) -> AsyncIterator[Pool]:
    """The pool, as HTCondor's configuration on this host has it, from where this host stands."""
    config = read_config()
    for finding in config.findings:
        note(f"HTCondor's configuration: {finding}")
    async with standing() as here:
        with Reaching(here, config) as reaching:
            collectors = [collector] if collector else []
            with _warnings_as_notes():
                caller = Caller.of(config)
            yield Pool(caller, reaching, collectors, timeout)


@contextlib.contextmanager
def _warnings_as_notes() -> Iterator[None]:
    """What is wrong with tokens is logged; here, a person reads it."""
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: note(record.getMessage())  # type: ignore[method-assign]
    log = logging.getLogger("glasnost.condor")
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)


of_type = click.option(
    "--type",
    "called",
    default="any",
    show_default=True,
    metavar="TYPE",
    help="What NAME is: startd, schedd, master, collector, negotiator, or any of them.",
)


async def address_of(pool: Pool, daemon: str, called: str) -> str:
    """The address that was given, or that of the daemon of this name."""
    if "/" in daemon and not daemon.startswith(("<", "{")):
        return _from_route(daemon)
    if is_address(daemon):
        return daemon
    found = await addresses(pool, daemon, called)
    address, *others = found
    if others:
        types = [words.get("MyType", "a daemon") for words in found.values()]
        told = f"{daemon} is {', '.join(types)}: here the {types[0]}; --type chooses another"
        note(printable(told, keep=""))
    return address


def _from_route(text: str) -> str:
    """A Glasnost address in HTCondor's words; what they cannot say is said."""
    address, _ = FORMS["text"].read(text)
    sinful, missing = FORMS["sinful"].write(address)
    for why in missing:
        note(why)
    return sinful


async def addresses(pool: Pool, name: str, called: str = "any") -> dict[str, dict[str, str]]:
    """The addresses of the daemons of a name, each with what else a collector says of it."""
    found: dict[str, dict[str, str]] = {}
    for ad in await pool.locate(name, called):
        address = ad.get("MyAddress")
        if isinstance(address, str) and address != printable(address, keep=""):
            note(f"an address with characters that none has is left out: {address[:200]!r}")
        elif isinstance(address, str):
            words = {key: value for key, value in ad.items() if isinstance(value, str)}
            found.setdefault(address, words)
    if not found:
        raise Refused("unknown-name", f"no daemon of the pool is called {name}, nor its machine")
    return found
