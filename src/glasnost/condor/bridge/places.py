"""What the daemons of a pool have in common, and on which network their addresses are.

HTCondor's addresses know the Internet and one private network by name. Whatever has no name is
"Internet" to them, 10.0.0.5 and 127.0.0.1 included. Here an address that is not globally routable
needs a network: elsewhere it is somebody else's.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from glasnost.condor.addresses.endpoint import IpPort
from glasnost.condor.addresses.sinful import Sinful
from glasnost.condor.pool import with_port
from glasnost.core.address import PUBLIC, Landing, Route
from glasnost.errors import AddressError, SettingsError
from glasnost.settings import Network, is_network_name

_IP = ("ip4", "ip6")


class Placed(NamedTuple):
    """Routes on their networks, and why others have none."""

    routes: tuple[Route, ...]
    lost: tuple[str, ...]


@dataclass(frozen=True)
class Places:
    """``private`` is the network of private addresses to which nobody has given another; ``host``
    the one of this machine, if that is where the pool is; ``ranges`` what the settings call by
    name: a range and its network."""

    private: str
    host: str = ""
    ranges: tuple[tuple[str, str], ...] = ()

    def placed(self, routes: Iterable[Route], named: str = "") -> Placed:
        """The same routes, those from nowhere in particular on a network. ``named`` is what their
        owner calls its private network."""
        found: dict[Route, None] = {}
        lost: dict[str, None] = {}
        for route in routes:
            network, origin = route.network, route.stages[0]
            if origin.kind in _IP and (network == PUBLIC or _is_near(origin.args[0])):
                network = self.network(origin.args[0], named)
                if not network:
                    lost[f"{origin.args[0]} means another machine to everybody else"] = None
                    continue
            try:
                found[Route(network, route.stages)] = None
            except AddressError as error:
                lost[str(error)] = None
        return Placed(tuple(found), tuple(lost))

    def network(self, literal: str, named: str = "") -> str:
        """The network of an IP address; nothing where it can be used by nobody else.

        >>> Places("lab").network("10.0.0.5"), Places("lab").network("8.8.8.8")
        ('lab', 'public')
        >>> Places("lab").network("127.0.0.1")
        ''
        """
        address = ipaddress.ip_address(literal.partition("%")[0])
        for block, network in self._blocks:
            if address in block:
                return network
        if address.is_loopback:
            return self.host
        if _is_near(literal) or address.is_multicast:
            return ""
        return PUBLIC if address.is_global else named or self.private

    def landings(self, literals: Iterable[tuple[str, str]], named: str = "") -> Iterator[Landing]:
        """Where whoever has these addresses (protocol, literal) is."""
        for protocol, literal in literals:
            if network := self.network(literal, named):
                yield Landing(protocol, network)

    @cached_property
    def _blocks(self) -> list[tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, str]]:
        return [(ipaddress.ip_network(text, strict=False), name) for text, name in self.ranges]


@dataclass(frozen=True)
class Pool:
    """What the daemons of one pool have in common. ``name`` is its label, ``domain`` goes without
    saying in their names; ``met`` is where the collectors are met, so where all have come from."""

    name: str
    places: Places
    domain: str = ""
    met: frozenset[Landing] = frozenset()


def pool_of(
    collectors: Sequence[str],
    port: int,
    network: str | None,
    networks: Sequence[Network],
    host_id: str,
) -> Pool:
    """The pool of these collectors. ``network`` is what its private addresses are told to be on;
    else it is what ``networks``, the settings', call the addresses of this host, which has the id
    ``host_id``; else it is called as the collector's host. Raises `SettingsError`, `SinfulError`.
    """
    if not collectors:
        raise SettingsError("which pool? Say --pool HOST, or COLLECTOR_HOST in its configuration")
    first = with_port(collectors[0], port)
    host = first.host or (first.addrs[0].ip if first.addrs else "")
    if network is not None and not (is_network_name(network) and network != PUBLIC):
        raise SettingsError(f"{network!r} is no private network's name")
    ranges = tuple((text, one.name) for one in networks for text in one.ranges)
    own = [one.name for one in networks if one.name != PUBLIC and not one.ranges]
    private = network or next(iter(own), "") or _as_network(host)
    near = f"host.{host_id}" if _is_here(first) else ""
    return Pool(host, Places(private, near, ranges), _domain(host))


def _as_network(host: str) -> str:
    """A network called as a host, as far as networks can be called so."""
    text = "".join(one if is_network_name(one) else "-" for one in host.lower())
    return text.removeprefix("host.") if text.strip("-.") and text != PUBLIC else "condor"


def _is_here(collector: Sinful) -> bool:
    """Whether the pool is on this machine alone: it is met on loopback."""
    addresses = [one.ip for one in collector.addrs] or [collector.host]
    return all(one == "localhost" or _is_loopback(one) for one in addresses)


def _is_near(literal: str) -> bool:
    """Whether an address means this machine, or this link, wherever it is read."""
    address = ipaddress.ip_address(literal.partition("%")[0])
    return address.is_loopback or address.is_link_local or address.is_unspecified


def _is_loopback(host: str) -> bool:
    literal = IpPort.of(host, 0)
    return literal is not None and ipaddress.ip_address(literal.ip).is_loopback


def _domain(host: str) -> str:
    """The domain of a host that was given by name.

    >>> _domain("cm.example.org"), _domain("192.0.2.1"), _domain("cm")
    ('example.org', '', '')
    """
    return "" if IpPort.of(host, 0) else host.lower().partition(".")[2]
