"""Which addresses a target dials: it connects where a stranger asks it to, so it is choosy.

Allowed is what anybody can reach anyway (globally routable), and what lies in a range that the
target is itself on: the requester could be standing there. Never allowed is what only *we* reach:
loopback, link-local, the metadata service of a cloud; whatever our own ranges say; nor IPv6
addresses that are IPv4 ones in disguise, except by NAT64, where the IPv4 one is judged.

Any port is dialled: requesters listen on shared ports and on ephemeral ones, so no list of ports
tells them from others. What a wrong party gets from it is one connection with one `Call` of ours,
whose first bytes open no other protocol.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

Network = IPv4Network | IPv6Network

#: Never dialled, whatever ranges we are on, each with what it is.
_NEVER4: Final = (
    (IPv4Network("0.0.0.0/8"), 'an address of "this host" (RFC 1122)'),
    (IPv4Network("127.0.0.0/8"), "loopback"),
    (IPv4Network("100.100.100.200/32"), "a cloud's metadata service"),  # Alibaba
    (IPv4Network("168.63.129.16/32"), "a cloud's metadata service"),  # Azure's wire server
    (IPv4Network("169.254.0.0/16"), "link-local, where clouds have their metadata"),
    (IPv4Network("192.0.0.192/32"), "a cloud's metadata service"),  # Oracle
    (IPv4Network("224.0.0.0/4"), "multicast"),
    (IPv4Network("255.255.255.255/32"), "broadcast"),
)
_NEVER6: Final = (
    (IPv6Network("::/128"), "the unspecified address"),
    (IPv6Network("::1/128"), "loopback"),
    (IPv6Network("::/96"), "an IPv4-compatible address (deprecated, RFC 4291)"),
    (IPv6Network("::ffff:0:0/96"), "an IPv4 address, which is written as ip4"),
    (IPv6Network("64:ff9b:1::/48"), "a local NAT64's address"),
    (IPv6Network("2001::/32"), "a Teredo address (dead), and may lead to any IPv4 address"),
    (IPv6Network("2002::/16"), "a 6to4 address (RFC 7526), and may lead to any IPv4 address"),
    (IPv6Network("fd00:42::42/128"), "a cloud's metadata service"),  # Scaleway
    (IPv6Network("fd00:ec2::/32"), "a cloud's metadata service"),  # AWS
    (IPv6Network("fd20:ce::254/128"), "a cloud's metadata service"),  # Google
    (IPv6Network("fe80::/10"), "link-local"),
    (IPv6Network("ff00::/8"), "multicast"),
)
#: What is handed out as global unicast (IANA). `is_global` takes all that is not private.
_GLOBAL6: Final = IPv6Network("2000::/3")
#: Newer than the tables of Python 3.11.
_DOCUMENTATION6: Final = IPv6Network("3fff::/20")
_NAT64: Final = IPv6Network("64:ff9b::/96")


def why_not(host: str, own: Iterable[Network] = ()) -> str | None:
    """Why a target on the networks ``own`` does not dial the literal ``host``; None if it does.

    >>> why_not("8.8.8.8"), why_not("10.1.2.3", [IPv4Network("10.0.0.0/8")])
    (None, None)
    >>> why_not("127.0.0.1")
    '127.0.0.1 is loopback'
    """
    try:
        address = ip_address(host)
    except ValueError:
        return f"{host[:64]!r} is no IP address"
    if isinstance(address, IPv4Address):
        return _why_not4(address, own)
    if address.scope_id is not None:
        return f"{host[:64]} has a zone, which means nothing on another host"
    return _why_not6(address, own)


def _why_not4(address: IPv4Address, own: Iterable[Network]) -> str | None:
    for network, what in _NEVER4:
        if address in network:
            return f"{address} is {what}"
    for near in own:
        if isinstance(near, IPv4Network) and address in near:
            if near.prefixlen < 31 and address == near.broadcast_address:
                return f"{address} is the broadcast address of {near}"
            return None
    if address.is_global:
        return None
    return f"{address} is not globally routable, and we are on no network with it"


def _why_not6(address: IPv6Address, own: Iterable[Network]) -> str | None:
    if address in _NAT64:
        # The translator stands elsewhere: ranges of ours mean nothing there.
        carried = IPv4Address(int(address) & 0xFFFFFFFF)
        why = _why_not4(carried, ())
        return why and f"{address} leads to {carried}: {why}"
    for network, what in _NEVER6:
        if address in network:
            return f"{address} is {what}"
    if any(isinstance(near, IPv6Network) and address in near for near in own):
        return None
    if address.is_global and address in _GLOBAL6 and address not in _DOCUMENTATION6:
        return None
    return f"{address} is not globally routable, and we are on no network with it"
