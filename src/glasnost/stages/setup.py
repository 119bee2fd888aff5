"""``setup:NAME``: what our own settings bring up for an exit, such as a VPN.

Crossing it waits until that is up, and holds it until the connection behind it is there, which
then keeps it up by itself (net/setups.py). It stands in exits only: what peers publish brings
nothing up.
"""

from __future__ import annotations

import socket

from glasnost.core.address.stage import Stage
from glasnost.core.routes.traits import Traits
from glasnost.errors import SettingsError
from glasnost.net.held import can_tell
from glasnost.net.setups import bring_up
from glasnost.settings import Settings, run_directory
from glasnost.stages.base import Kind, Step


async def cross(step: Step, sock: socket.socket | None) -> None:
    """Wait until it is up, and hold it."""
    assert sock is None, "a prelude comes before a connection"
    settings = step.means.settings
    if (why := check(step.stage, settings)) is not None:
        raise SettingsError(why)
    if step.index >= 0:
        raise SettingsError("only an exit of our own settings may ask for it")
    name = step.stage.args[0]
    step.hold(await bring_up(name, settings.setups[name], run_directory(settings)))


def check(stage: Stage, settings: Settings) -> str | None:
    """An exit names a setup, and our settings say what that is."""
    if stage.args[0] not in settings.setups:
        return f"there is no [setups.{stage.args[0]}] in the settings of this host"
    return None if can_tell() else "this system does not say which connections are open"


SETUP = Kind(Traits(role="prelude", ours=True), cross, "bring up", check=check)
