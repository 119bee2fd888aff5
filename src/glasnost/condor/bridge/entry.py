"""What is published of a daemon: where it is met, what it reaches, and labels to choose it by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from glasnost.condor.addresses.endpoint import IpPort
from glasnost.condor.addresses.original import parse_original
from glasnost.condor.addresses.reading import parse
from glasnost.condor.addresses.sinful import PRIV_ADDR, PRIV_NET, Sinful
from glasnost.condor.addresses.to_address import to_address
from glasnost.condor.bridge.daemon import Daemon
from glasnost.condor.bridge.naming import label
from glasnost.condor.bridge.places import Places, Pool
from glasnost.core.address import PUBLIC, Address, Landing, Route
from glasnost.core.protocols.record_rules import MAX_LABEL
from glasnost.core.text import printable
from glasnost.core.wire.messages import Entry
from glasnost.errors import SinfulError
from glasnost.settings import is_network_name

#: Since when daemons ask a broker to relay, if they are behind one themselves.
RELAYS_SINCE: Final = (25, 12, 0)


@dataclass(frozen=True, slots=True)
class Made:
    """A record, and what of the daemon's address is not in it. ``brokered``: it is behind one."""

    entry: Entry
    brokered: bool
    lost: tuple[str, ...] = ()


def make(daemon: Daemon, pool: Pool) -> Made | str:
    """The record of a daemon, or why there can be none."""
    try:
        sinful = parse(daemon.address)
    except SinfulError as error:
        return f"{called(daemon)}: its address cannot be read: {error}"
    routes, lost = routes_of(sinful, pool.places, daemon.machine)
    if not routes:
        return f"{called(daemon)} has no address that can be dialled: {'; '.join(lost)}"
    reach = reach_of(sinful, pool, daemon.machine)
    entry = Entry(
        name=label(daemon.role, daemon.name, pool.domain),
        address=str(Address(routes)),
        reach=None if reach is None else tuple(sorted(map(str, reach))),
        labels=labels(daemon, pool),
    )
    return Made(entry, bool(sinful.contacts), lost)


def called(daemon: Daemon) -> str:
    """A daemon, for a sentence."""
    return f"{daemon.role} {printable(daemon.name[:100], keep='')}"


def routes_of(
    sinful: Sinful, places: Places, machine: str = ""
) -> tuple[tuple[Route, ...], tuple[str, ...]]:
    """The routes of an address on this machine, each on its network, and why others are left
    out."""
    found = to_address(sinful)
    if found.result is None:
        return (), tuple(map(str, found.missing))
    placed = places.placed(found.result, _shared(sinful, machine))
    return placed.routes, placed.lost


def reach_of(sinful: Sinful, pool: Pool, machine: str = "") -> frozenset[Landing] | None:
    """What a daemon can connect to, as far as its address tells; None where it tells nothing.

    It has the protocols that it has addresses of, since HTCondor publishes one of each, and is on
    the networks they are on. The Internet is out there for it if one of them is global; by NAT, as
    for our own hosts, where it has IPv4; and where the pool's collector is met on it in one way
    only, since it has been there.
    """
    literals = list(_literals(sinful))
    protocols = {protocol for protocol, _ in literals}
    if not protocols:
        return None
    reach = set(pool.places.landings(literals, _shared(sinful, machine)))
    if name := _named(sinful):
        reach |= {Landing(protocol, name) for protocol in protocols}
    if "ip4" in protocols:
        reach.add(Landing("ip4", PUBLIC))
    if len(pool.met) == 1:
        reach |= {one for one in pool.met if one.protocol in protocols}
    return frozenset(reach)


def can_relay(daemon: Daemon) -> bool:
    """Whether a daemon knows how brokers relay; as a client it has them do so where it is behind
    one itself."""
    numbers = tuple(map(int, daemon.version.split("."))) if daemon.version else ()
    return numbers >= RELAYS_SINCE


def labels(daemon: Daemon, pool: Pool) -> dict[str, str]:
    """By what others choose it."""
    found = {
        "role": daemon.role,
        "pool": pool.name,
        "condor": daemon.name,
        "machine": daemon.machine,
        "version": daemon.version,
    }
    return {key: printable(value)[:MAX_LABEL] for key, value in found.items() if value}


def met(addresses: Iterable[str], places: Places) -> frozenset[Landing]:
    """Where collectors with these addresses are met."""
    landings: set[Landing] = set()
    for text in addresses:
        try:
            routes, _ = routes_of(parse(text), places)
        except SinfulError:
            continue
        landings |= {landing for route in routes for landing in route.landings()}
    return frozenset(landings)


def _named(sinful: Sinful) -> str:
    """What the daemon calls its private network, where that is a network's name here."""
    name = sinful.param(PRIV_NET) or ""
    return name if is_network_name(name) and name != PUBLIC and not name.startswith("host.") else ""


def _shared(sinful: Sinful, machine: str) -> str:
    """The same, if others can be on it: where nobody says anything else, HTCondor calls it as the
    machine (PRIVATE_NETWORK_NAME), and that says nothing of the network the machine is on."""
    name = _named(sinful)
    return "" if name == machine.lower() else name


def _literals(sinful: Sinful) -> Iterator[tuple[str, str]]:
    """Protocol and literal of each of the daemon's own addresses, behind a broker or not."""
    found: list[IpPort | None] = [*sinful.addrs, sinful.endpoint]
    if private := sinful.param(PRIV_ADDR):
        try:
            found.append(parse_original(private).endpoint)
        except SinfulError:  # without PrivNet it may be anything
            pass
    for one in found:
        if one is not None and one.ip:
            yield "ip6" if ":" in one.ip else "ip4", one.ip
