"""How HTCondor's daemons are reached: the routes of their addresses, seen as its clients see them.

HTCondor's addresses know two places: the Internet, which is wherever no private network is named,
and one private network by its name. Its clients dial whatever they have a protocol for, loopback
and private addresses included; so here every protocol that this host has comes out there.
"""

from __future__ import annotations

import dataclasses
import ipaddress
from collections.abc import Iterator
from types import TracebackType
from typing import Final

from glasnost.condor.addresses.reading import parse
from glasnost.condor.addresses.to_address import CCB_STAGE, to_address
from glasnost.condor.config import CondorConfig
from glasnost.condor.doorstep import Doorstep
from glasnost.core.address import PUBLIC, Address, Landing
from glasnost.core.routes import Exit, Vantage
from glasnost.core.routes.limits import MAX_EXITS
from glasnost.errors import Unavailable
from glasnost.net.interfaces import HostFacts, read_host
from glasnost.roles.standing import Standing
from glasnost.settings import is_network_name

_IP: Final = ("ip4", "ip6")


def routes_to(text: str) -> Address:
    """The routes to the daemon with this address. Raises `SinfulError`, `Unavailable`."""
    found = to_address(parse(text))
    if found.result is None:
        why = "; ".join(map(str, found.missing))
        raise Unavailable(f"nothing of {text} can be dialled: {why}")
    return found.result


class Reaching:
    """Where one program stands for HTCondor's daemons. It listens for dial-backs where it has to,
    until it is closed."""

    def __init__(self, standing: Standing, config: CondorConfig) -> None:
        self._standing = standing
        self._config = config
        self._facts = read_host()
        self._doorstep: Doorstep | None = None

    def __enter__(self) -> Reaching:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        if self._doorstep is not None:
            self._doorstep.close()

    def towards(self, address: Address) -> Standing:
        """The standing that counts for this address."""
        here = self._standing
        if any(stage.kind == CCB_STAGE for route in address for stage in route.stages):
            here = self._dialled_back()
        exits = tuple(self._exits(here.vantage, address))
        return here._replace(vantage=Vantage(exits, here.vantage.returns))

    def _dialled_back(self) -> Standing:
        """With a port that HTCondor's daemons can call: the host's, where that serves them and is
        published, or one of our own."""
        here = self._standing
        settings = here.means.settings
        if settings.condor is not None and here.means.expect and here.vantage.returns:
            return here
        if self._config.tools_assume_firewalls:
            vantage, means = Vantage(here.vantage.exits), here.means
            return here._replace(vantage=vantage, means=dataclasses.replace(means, expect=None))
        if self._doorstep is None:
            self._doorstep = Doorstep(settings)
        vantage = Vantage(here.vantage.exits, self._doorstep.returns(self._facts))
        means = dataclasses.replace(here.means, expect=self._doorstep.expect)
        return here._replace(vantage=vantage, means=means)

    def _exits(self, vantage: Vantage, address: Address) -> list[Exit]:
        exits = list(vantage.exits)
        direct = {one.lands for one in exits if not one.stages}
        networks = [PUBLIC]
        if is_network_name(self._config.private_network_name):
            networks.append(self._config.private_network_name)
        for network in networks:
            for protocol in protocols(self._facts, address):
                lands = Landing(protocol, network)
                if lands not in direct and self._enables(protocol):
                    exits.append(Exit(lands))
        return exits[:MAX_EXITS]

    def _enables(self, protocol: str) -> bool:
        """Neither our settings nor HTCondor's forbid it."""
        told = self._config.enable_ipv6 if protocol == "ip6" else self._config.enable_ipv4
        return told is not False and self._standing.means.settings.enables(protocol) is not False


def protocols(facts: HostFacts, address: Address) -> list[str]:
    """What a host has an address of, and what it has loopback of, if that is where to go."""
    return sorted({*[one.protocol for one in facts.addresses], *_loopback(address)})


def _loopback(address: Address) -> Iterator[str]:
    for route in address:
        first = route.stages[0]
        if first.kind in _IP and ipaddress.ip_address(first.args[0]).is_loopback:
            yield first.kind
