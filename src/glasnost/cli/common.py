"""What several commands share: their options, what their arguments may be, running a coroutine."""

from __future__ import annotations

import asyncio
import math
import socket
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import click

from glasnost.core.address.names import check_label
from glasnost.errors import BadName
from glasnost.net.loops import fast_loop
from glasnost.settings import (
    Settings,
    home_directory,
    is_network_name,
    load_settings,
    read_place,
)

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


class _Place(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.3
    """``[HOST:]PORT`` as a pair; without HOST it is this machine."""

    def __init__(self, name: str, lowest: int = 1) -> None:
        self.name = name
        self.lowest = lowest

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        if isinstance(value, tuple):
            return value
        try:
            return read_place(str(value), self.lowest)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class _Port(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.3
    name = "port"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        number = str(value)
        if not (number.isascii() and number.isdigit()) or int(number) > 65535:
            self.fail(f"{value!r} is no port (0 to 65535; 0: any that is free)", param, ctx)
        return int(number)


class _Network(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.3
    name = "network"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not is_network_name(str(value)):
            self.fail(f"{value!r}: letters a-z, digits, '.', '_' and '-' only", param, ctx)
        return str(value)


class _Seconds(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.3
    name = "seconds"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        try:
            seconds = float(value)
        except ValueError:
            seconds = math.nan
        if not 0 <= seconds < math.inf:
            self.fail(f"{value!r} is no number of seconds", param, ctx)
        return seconds


#: Where a service is: there, port 0 is nothing.
PLACE = _Place("[HOST:]PORT")
#: Where to listen: there, port 0 is any that is free.
LISTEN = _Place("[HOST:]PORT", lowest=0)
SECONDS = _Seconds()

verbose = click.option("-v", "--verbose", is_flag=True, help="Log everything.")
log = click.option("--log", type=click.Choice(["text", "json"]), help="How to log (text).")
Where = tuple[str, int] | None
metrics = click.option(
    "--metrics", type=LISTEN, help="Where Prometheus may ask this daemon; by default nowhere."
)
as_json = click.option("--json", "json", is_flag=True, help="Print JSON, for programs.")
port = click.option("--port", type=_Port(), help="The shared port (9618); 0: any that is free.")


def networks(text: str) -> Callable[[F], F]:
    """The option ``--network``, which may be given several times."""
    return click.option("--network", "networks", type=_Network(), multiple=True, help=text)


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
