"""From what a host has and what its settings say: what it reaches, and how it is reached. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from glasnost.core.address import Landing, Route, Stage
from glasnost.core.routes import Exit, Vantage
from glasnost.net.interfaces import HostFacts, InterfaceAddress
from glasnost.settings import Network, Settings

PUBLIC = "public"


def networks_of(entry: InterfaceAddress, settings: Settings) -> list[str]:
    """The networks that one address of this host is on, in the order of the settings.

    An address that settings' own ranges call ``public`` is public, whatever RFC 6890 says of it;
    one that is public is not swept up by a network without interface and ranges.
    """
    public = _is_public(entry.address, settings.networks)
    names = []
    for network in settings.networks:
        if network.name == PUBLIC:
            continue
        sweeping = network.interface is None and not network.ranges
        if network.holds(entry.interface, entry.address) and not (sweeping and public):
            names.append(network.name)
    return [*dict.fromkeys(names), *([PUBLIC] if public else [])]


def doors(facts: HostFacts, settings: Settings, port: int | None, unix: str | None) -> list[Route]:
    """Where this host's shared port can be met: its unix socket, then its addresses, named
    networks before the public one. ``port`` None: nothing listens. Private addresses that no
    named network holds are left out: elsewhere they mean somebody else."""
    found = []
    if unix is not None:
        found.append(Route(f"host.{facts.host_id}", (Stage.unix(unix),)))
    if port is None:
        return found
    named: list[Route] = []
    public: list[Route] = []
    for entry in _enabled(facts.addresses, settings):
        for network in networks_of(entry, settings):
            route = Route(network, (Stage.ip(entry.address, port),))
            (public if network == PUBLIC else named).append(route)
    return found + named + public


def vantage_of(facts: HostFacts, settings: Settings, returns: Iterable[Route] = ()) -> Vantage:
    """The exits of this host, with the return routes it can offer.

    A default route comes out on the public network, whatever address it starts from: that is
    what NAT is for. A named network is reached by a protocol that we have an address in.
    """
    lands = [Landing("unix", f"host.{facts.host_id}")]
    entries = _enabled(facts.addresses, settings)
    lands += [
        Landing(entry.protocol, network)
        for entry in entries
        for network in networks_of(entry, settings)
        if network != PUBLIC
    ]
    protocols = {entry.protocol for entry in entries}
    lands += [
        Landing(one, PUBLIC) for one in ("ip6", "ip4") if one in protocols & facts.default_routes
    ]
    returning = [route for route in returns if route.stages[0].kind != "unix"]
    return Vantage(tuple(Exit(one) for one in dict.fromkeys(lands)), tuple(returning))


def dial_ranges(facts: HostFacts, settings: Settings) -> tuple[str, ...]:
    """The address ranges this host is itself on by its settings, for the dial policy."""
    ranges: list[str] = []
    for network in settings.networks:
        ours = [
            one.address for one in facts.addresses if network.name in networks_of(one, settings)
        ]
        if network.ranges:
            ranges += network.ranges if ours or network.name == PUBLIC else ()
        else:
            ranges += map(_private_block, ours)
    return tuple(dict.fromkeys(ranges))


def _private_block(address: str) -> str:
    """The block that a network without ranges is taken to cover, seen from one of its addresses:
    the private block of RFC 1918 or RFC 4193 it lies in, or else the address alone."""
    parsed = ipaddress.ip_address(address)
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"):
        if parsed in ipaddress.ip_network(text):
            return text
    return str(ipaddress.ip_network(parsed))


def _is_public(address: str, networks: Iterable[Network]) -> bool:
    declared = [network for network in networks if network.name == PUBLIC]
    return ipaddress.ip_address(address).is_global or any(one.covers(address) for one in declared)


def _enabled(entries: Iterable[InterfaceAddress], settings: Settings) -> list[InterfaceAddress]:
    allowed = {"ip4": settings.enable_ipv4, "ip6": settings.enable_ipv6}
    return [entry for entry in entries if allowed[entry.protocol]]
