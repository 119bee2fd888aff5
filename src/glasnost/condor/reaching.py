"""How HTCondor's daemons are reached: the routes of their addresses, seen as its clients see them.

HTCondor's addresses know two places: the Internet, which is wherever no private network is named,
and one private network by its name. Its clients dial whatever they have a protocol for, loopback
and private addresses included; so here every protocol that this host has comes out there.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from glasnost.condor.addresses.reading import parse
from glasnost.condor.addresses.to_address import to_address
from glasnost.core.address import PUBLIC, Address, Landing
from glasnost.core.routes import Exit, Vantage
from glasnost.core.routes.limits import MAX_EXITS
from glasnost.errors import Unavailable
from glasnost.net.interfaces import HostFacts
from glasnost.roles.standing import Standing


def routes_to(text: str) -> Address:
    """The routes to the daemon with this address. Raises `SinfulError`, `Unavailable`."""
    found = to_address(parse(text))
    if found.result is None:
        why = "; ".join(map(str, found.missing))
        raise Unavailable(f"nothing of {text} can be dialled: {why}")
    return found.result


def seen_by_htcondor(
    standing: Standing, address: Address, facts: HostFacts, network: str = ""
) -> Standing:
    """The same, where it also stands on HTCondor's Internet, and on the private network of this
    name (``PRIVATE_NETWORK_NAME``)."""
    settings = standing.means.settings
    exits = list(standing.vantage.exits)
    direct = {one.lands for one in exits if not one.stages}
    # What this host has an address of, and what it has loopback of, if that is where to go.
    protocols = {*[one.protocol for one in facts.addresses], *_loopback(address)}
    for where in (PUBLIC, *filter(None, [network])):
        for protocol in sorted(protocols):
            lands = Landing(protocol, where)
            if lands not in direct and settings.enables(protocol) is not False:
                exits.append(Exit(lands))
    return standing._replace(vantage=Vantage(tuple(exits[:MAX_EXITS]), standing.vantage.returns))


def _loopback(address: Address) -> Iterator[str]:
    for route in address:
        first = route.stages[0]
        if first.kind in ("ip4", "ip6") and ipaddress.ip_address(first.args[0]).is_loopback:
            yield first.kind
