"""From what a host has and what its settings say: what it reaches, and how it is reached. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from itertools import islice

from glasnost.core.address import PUBLIC, Landing, Route, Stage
from glasnost.core.routes import Exit, Vantage
from glasnost.core.routes.advertised import advertised
from glasnost.core.routes.limits import MAX_EXITS, MAX_RETURNS, MAX_SOURCES
from glasnost.errors import SettingsError
from glasnost.net.interfaces import HostFacts, InterfaceAddress
from glasnost.settings import DEFAULT_PORT, FOUND, Network, Settings

_IP = ("ip4", "ip6")


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
    """Where this host's shared port can be met: its unix socket, then what the settings say is
    advertised. ``port`` None: nothing listens.

    Three things are apart here: what is *bound* (``listen``), what is *advertised*, and what can
    be *reached*, which only others can see.
    """
    near = [] if unix is None else [Route(f"host.{facts.host_id}", (Stage.unix(unix),))]
    if port is None:
        return near
    for text in settings.advertise:
        if text == FOUND:
            near += _found(facts, settings, port)
        else:
            near += _told(advertised(text), settings, port)
    return list(dict.fromkeys(near))


def _found(facts: HostFacts, settings: Settings, port: int) -> list[Route]:
    """Every address that is listened on, named networks before the public one. Private addresses
    that no named network holds are left out: elsewhere they mean somebody else."""
    named: list[Route] = []
    public: list[Route] = []
    for entry in _enabled(facts.addresses, settings):
        if not _is_bound(entry, settings):
            continue
        for network in networks_of(entry, settings):
            route = Route(network, (Stage.ip(entry.address, port),))
            (public if network == PUBLIC else named).append(route)
    return named + public


def _told(entry: Route | tuple[str, int | None], settings: Settings, port: int) -> list[Route]:
    """What one entry of ``advertise`` publishes: an address on every network it is on."""
    if isinstance(entry, Route):
        return [entry]
    address, own = entry
    networks = networks_of(_as_entry(address), settings)
    return [Route(network, (Stage.ip(address, own or port),)) for network in networks]


def check_host(facts: HostFacts, settings: Settings) -> None:
    """Whether this host can do what the settings ask of it. Raises `SettingsError`."""
    for protocol, called in (("ip4", "ipv4"), ("ip6", "ipv6")):
        if settings.enables(protocol) is True and not any(
            entry.protocol == protocol for entry in facts.addresses
        ):
            raise SettingsError(
                f"enable_{called} is true, and this host has no address of it that others can "
                'use; "auto" uses it only where there is one'
            )
    for text in settings.advertise:
        entry = None if text == FOUND else advertised(text)
        if isinstance(entry, tuple) and not networks_of(_as_entry(entry[0]), settings):
            raise SettingsError(
                f"advertise {text}: on which network is it? Write a route, "
                f"such as lab/{Stage.ip(entry[0], entry[1] or DEFAULT_PORT)}"
            )


def vantage_of(facts: HostFacts, settings: Settings, returns: Iterable[Route] = ()) -> Vantage:
    """The exits of this host, with the return routes it can offer; exits from the settings last.

    A default route comes out on the public network, whatever address it starts from: that is
    what NAT is for. A named network is reached by a protocol that we have an address in.
    """
    told = [
        one
        for setting in settings.exits
        for one in setting.exits()
        if one.stages or _may_use(one.lands.protocol, settings)
    ][:MAX_EXITS]
    exits = _direct(facts, settings, MAX_EXITS - len(told)) + told
    # A return route is one literal: what is dialled back is our own port.
    literal = [one for one in returns if len(one.stages) == 1 and one.stages[0].kind in _IP]
    return Vantage(tuple(exits), tuple(literal[:MAX_RETURNS]))


def _direct(facts: HostFacts, settings: Settings, most: int) -> list[Exit]:
    """At most so many exits that a host is seen to have, with the addresses it could connect
    from."""
    sources: dict[Landing, list[str]] = {
        Landing(protocol, f"host.{facts.host_id}"): []
        for protocol in ("unix", *_IP)  # loopback, which nothing has to be seen of
        if _may_use(protocol, settings)
    }
    entries = _enabled(facts.addresses, settings)
    for entry in entries:
        for network in networks_of(entry, settings):
            if network != PUBLIC:
                lands = Landing(entry.protocol, network)
                sources.setdefault(lands, []).append(entry.address)
    public = {
        Landing(protocol, PUBLIC): [one.address for one in entries if one.protocol == protocol]
        for protocol in ("ip6", "ip4")
        if protocol in facts.default_routes and any(one.protocol == protocol for one in entries)
    }
    # A host with a hundred addresses (containers, privacy addresses) is found at the first ones.
    named = dict(islice(sources.items(), max(0, most - len(public))))
    return [
        Exit(lands, sources=tuple(addresses[:MAX_SOURCES]))
        for lands, addresses in islice((named | public).items(), most)
    ]


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
    """What may be used. "auto" needs no look: a protocol without an address has no entry here."""
    return [entry for entry in entries if _may_use(entry.protocol, settings)]


def _may_use(protocol: str, settings: Settings) -> bool:
    return protocol not in _IP or settings.enables(protocol) is not False


def _is_bound(entry: InterfaceAddress, settings: Settings) -> bool:
    """Whether the port is listened on at this address."""
    whole = "::" if entry.protocol == "ip6" else "0.0.0.0"
    return any(one == whole or _same(one, entry.address) for one in settings.listen)


def _same(one: str, other: str) -> bool:
    return ipaddress.ip_address(one) == ipaddress.ip_address(other)


def _as_entry(address: str) -> InterfaceAddress:
    """An address that this host does not have itself, as if it had."""
    return InterfaceAddress("", "ip6" if ":" in address else "ip4", address)
