"""What a lab is made of, as values: networks, legs, addresses. Touches no kernel.

All public addresses are from the ranges reserved for documentation, so that even a packet
that escaped would go nowhere:

    203.0.113.0/24      hosts on the internet, and at the same time
    198.51.100.0/24     routers of sites
    192.0.2.1           the core of the internet; 192.0.2.16/28 and up: insides of sites without NAT
    2001:db8:0:N::1     hosts and routers on the internet
    2001:db8:1:N::/64   insides of sites with ip6
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Literal

from glasnost.testing.lab.kernel import LabError

Nat = Literal["masquerade", "random"]
Inbound = Literal["drop", "reject", "accept"]

CORE4 = IPv4Address("192.0.2.1")
CORE6 = IPv6Address("fe80::1")
_HOSTS4 = IPv4Network("203.0.113.0/24")
_ROUTERS4 = IPv4Network("198.51.100.0/24")
_INSIDES4 = IPv4Network("192.0.2.0/24")
_LEGS6 = IPv6Network("2001:db8::/48")
_INSIDES6 = IPv6Network("2001:db8:1::/48")
_PRIVATE4 = [IPv4Network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")]
_PRIVATE6 = IPv6Network("fd00::/8")


@dataclass
class Network:
    """A place where packets flow, and the legs on it. A site's router leaves it by ``wan``."""

    name: str
    inside4: IPv4Network | None = None
    inside6: IPv6Network | None = None
    nat: Nat | None = None
    inbound: Inbound = "accept"
    wan: Leg | None = None
    legs: list[Leg] = field(default_factory=list)

    @property
    def is_internet(self) -> bool:
        return self.wan is None

    def has(self, protocol: Literal[4, 6]) -> bool:
        inside = self.inside4 if protocol == 4 else self.inside6
        return self.is_internet or inside is not None

    def outward(self) -> list[Network]:
        """This network and those its packets cross on their way out, the internet last."""
        return [self] if self.wan is None else [self, *self.wan.network.outward()]


@dataclass
class Leg:
    """One interface of one node, on one network, with a cable of its own.

    ``port`` is the other end, an interface of the network's router. ``main`` says the default
    route is here. A leg with a delay has a ``cable``: its ends ``a…`` (at the router) and ``b…``
    (at the node) lie in a namespace that has only cables in it.
    """

    owner: str
    network: Network
    interface: str
    port: str
    ip4: IPv4Address | None
    ip6: IPv6Address | None
    main: bool = True
    delay: float = 0.0
    loss: float = 0.0
    cable: str = ""
    plugged: bool = True

    def addresses(self) -> list[str]:
        return [str(address) for address in (self.ip4, self.ip6) if address is not None]


def attach(
    owner: str,
    network: Network,
    *,
    interface: str = "eth0",
    ip4: bool = True,
    ip6: bool = True,
    router: bool = False,
    main: bool = True,
    delay: float = 0.0,
    loss: float = 0.0,
) -> Leg:
    """A new leg on ``network``, with the next free address of each protocol that both have."""
    number = len(network.legs) + 1
    address4, address6 = _next_addresses(network, number, router)
    leg = Leg(
        owner,
        network,
        interface,
        f"p{number}",
        address4 if ip4 else None,
        address6 if ip6 else None,
        main,
        delay,
        loss,
    )
    if not leg.addresses():
        raise LabError(f"{owner} has no protocol in common with the network {network.name}")
    network.legs.append(leg)
    return leg


def _next_addresses(
    network: Network, number: int, router: bool
) -> tuple[IPv4Address | None, IPv6Address | None]:
    try:
        if network.is_internet:
            return (_ROUTERS4 if router else _HOSTS4)[number], _LEGS6[(number << 64) + 1]
        four = network.inside4[number + 1] if network.inside4 else None  # .1 is the router
        six = network.inside6[number + 1] if network.inside6 else None
    except IndexError:
        raise LabError(f"no address is left on the network {network.name}") from None
    if network.inside4 and four == network.inside4.broadcast_address:
        raise LabError(f"no address is left on the network {network.name}")
    return four, six


def inside4(text: str | None, nat: Nat | None, number: int) -> IPv4Network | None:
    """The IPv4 prefix inside a site: the private one asked for, or without NAT a public one."""
    if text is None:
        return None
    if nat is None:
        return list(_INSIDES4.subnets(new_prefix=28))[number]
    prefix = ip_network(text)
    if isinstance(prefix, IPv4Network) and any(prefix.subnet_of(p) for p in _PRIVATE4):
        return prefix
    raise LabError(
        f"{text} is not a private IPv4 prefix; behind NAT use 10/8, 172.16/12, 192.168/16"
    )


def inside6(wanted: bool | str, number: int) -> IPv6Network | None:
    """The IPv6 prefix inside a site: none, a public /64 (True), or a private one from fd00::/8."""
    if isinstance(wanted, bool):
        return _public_64(number) if wanted else None
    prefix = ip_network(wanted)
    if isinstance(prefix, IPv6Network) and prefix.subnet_of(_PRIVATE6):
        return prefix
    raise LabError(f"{wanted} is not a private IPv6 prefix; use one from fd00::/8")


def _public_64(number: int) -> IPv6Network:
    """The public /64 with this number, for the inside of a site."""
    return IPv6Network((_INSIDES6[number << 64], 64))


def routed_prefixes(network: Network) -> list[IPv4Network | IPv6Network]:
    """Inside prefixes of a site that the internet knows a route to: those that are public."""
    found: list[IPv4Network | IPv6Network] = []
    if network.inside4 is not None and network.nat is None:
        found.append(network.inside4)
    if network.inside6 is not None and network.inside6.subnet_of(_INSIDES6):
        found.append(network.inside6)
    return found


def seen_as(leg: Leg, observer: list[Leg]) -> list[str]:
    """Addresses under which the node of ``leg`` appears to a node with the legs ``observer``.

    Outwards from the leg, each NAT that does not stand around the observer too
    replaces the IPv4 address by its router's.
    """
    around = [network for own in observer for network in own.network.outward()]
    four, network = leg.ip4, leg.network
    while network.wan is not None and all(network is not other for other in around):
        if network.nat is not None:
            four = network.wan.ip4
        network = network.wan.network
    return [str(address) for address in (four, leg.ip6) if address is not None]
