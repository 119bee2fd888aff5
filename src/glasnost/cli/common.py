"""What several commands share: their options, and running a coroutine."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import click

from glasnost.core.address.names import check_label
from glasnost.daemons.run import fast_loop
from glasnost.errors import BadName
from glasnost.settings import Settings, home_directory, load_settings

T = TypeVar("T")

verbose = click.option("-v", "--verbose", is_flag=True, help="Log everything.")
as_json = click.option("--json", "json", is_flag=True, help="Print JSON, for programs.")
port = click.option("--port", type=click.IntRange(0, 65535), help="The shared port (9618).")


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """Run one coroutine on the fast loop."""
    with asyncio.Runner(loop_factory=fast_loop()) as runner:
        return runner.run(work)


def settings(**flags: Any) -> tuple[Path, Settings]:
    """The state directory, and the settings as files, environment and flags make them."""
    home = home_directory()
    return home, load_settings(home, **flags)


def host_label() -> str:
    """This machine's short host name, as a node may be called."""
    name = socket.gethostname().partition(".")[0].lower().replace(" ", "-")
    try:
        return check_label(name)
    except BadName:
        raise BadName(name, "it is this machine's host name; choose another by --name") from None


def host_port(text: str) -> tuple[str, int]:
    """``HOST:PORT``, ``[IPV6]:PORT``, or ``PORT`` on this machine. Raises `click.BadParameter`."""
    host, _, number = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]") or "127.0.0.1"
    if not number.isdigit() or not 0 < int(number) < 65536:
        raise click.BadParameter(f"{text!r} is not HOST:PORT")
    return host, int(number)
