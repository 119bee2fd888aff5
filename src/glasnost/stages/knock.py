"""``knock:NAME``: what a firewall wants to see before it lets us in, as our settings say.

One packet to each port of a sequence, at the host that the route leads to next, if our settings
have that sequence for it: it is a secret, and routes are others' words. Nothing answers a knock, so
whether it had an effect shows at the stage behind it.
"""

from __future__ import annotations

import asyncio
import socket

from glasnost.core.address.stage import Stage
from glasnost.core.routes.spared import spares
from glasnost.core.routes.traits import Traits
from glasnost.errors import Refused, SettingsError
from glasnost.net.sockets import knock, look_up
from glasnost.settings import Settings
from glasnost.stages.base import Kind, Step


async def cross(step: Step, sock: socket.socket | None) -> None:
    """Knock at each port, in order."""
    assert sock is None, "a prelude comes before a connection"
    if (why := check(step.stage, step.means.settings)) is not None:
        raise SettingsError(why)
    setting = step.means.settings.knocks[step.stage.args[0]]
    if not spares(setting.hosts, step.destination):
        why = f"[knocks.{step.stage.args[0]}] of the settings is not for {step.destination}"
        raise Refused("forbidden", why)
    way_out = step.path.exit
    hosts = await _hosts(step.destination, way_out.lands.protocol)
    for number, (port, protocol) in enumerate(setting.sequence()):
        if number:
            await asyncio.sleep(setting.delay)
        for host in hosts:
            knock(host, port, protocol, way_out.source)
    await asyncio.sleep(setting.wait)


async def _hosts(destination: Stage, protocol: str) -> list[str]:
    """Where to knock: all addresses that a name has, for the stage behind connects to any."""
    host = destination.args[0]
    return await look_up(host, protocol) if destination.kind == "dns" else [host]


def check(stage: Stage, settings: Settings) -> str | None:
    """A route names a knock, and our own settings say what that is."""
    if stage.args[0] in settings.knocks:
        return None
    return f"there is no [knocks.{stage.args[0]}] in the settings of this host"


KNOCK = Kind(Traits(role="prelude"), cross, "knock", check=check)
