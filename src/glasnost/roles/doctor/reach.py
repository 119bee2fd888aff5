"""What this host reaches, and how brokers on other hosts reach it."""

from __future__ import annotations

import asyncio
import dataclasses
import socket
import time
from collections.abc import Awaitable, Iterable, Sequence
from typing import Final

from glasnost.core.address import PUBLIC, Address, Route
from glasnost.core.doctor.facts import Attempt, Family, IncomingFacts, Outcome, Protocol, Seen
from glasnost.core.routes import Vantage
from glasnost.core.wire import messages as m
from glasnost.core.wire.header import MAX_WHY
from glasnost.errors import GlasnostError, Refused
from glasnost.net.channel import Channel
from glasnost.net.interfaces import read_host
from glasnost.net.sentences import sentence
from glasnost.net.sockets import connect_tcp
from glasnost.roles.doctor.visit import PATIENCE, Service, Visit, since

#: Seconds for a probe's call to arrive after the broker has said that it connected.
ARRIVAL: Final = 3.0
#: Brokers that are asked how they see us: two tell whether they agree, and a third what is usual.
MAX_ASKED: Final = 3
#: Addresses of one protocol that are connected to.
MAX_TRIED: Final = 8
#: Characters of an address that a broker tells us: an IPv6 literal has 45.
MAX_HOST: Final = 64
PROTOCOLS: Final[tuple[Protocol, ...]] = ("ip4", "ip6")

_CODEC = m.Codec(m.BROKER)


# --- outgoing -----------------------------------------------------------------------------------


async def outgoing(visit: Visit, protocol: Protocol, services: Sequence[Service]) -> Family:
    """A connection to each address of these services, by one protocol."""
    host = read_host()
    lands = {one.lands for one in visit.vantage.exits if not one.stages}
    places: dict[tuple[str, int], list[str]] = {}
    for service in services:
        for route in service.address:
            if _is_direct(route, protocol) and route.landing() in lands:
                at, port = route.stages[0].args
                places.setdefault((at, int(port)), []).append(visit.short(service.name))
    tries = [_connect(_together(to), *place) for place, to in list(places.items())[:MAX_TRIED]]
    found = await asyncio.gather(*tries)
    return Family(
        protocol,
        visit.settings.enables(protocol),
        tuple(one.address for one in host.addresses if one.protocol == protocol),
        protocol in host.default_routes,
        next((source for _, source in found if source), ""),
        tuple(attempt for attempt, _ in found),
    )


def _together(names: Sequence[str]) -> str:
    """``broker.cm and directory.cm``, which share a port."""
    return " and ".join(sorted(set(names)))


async def _connect(to: str, host: str, port: int) -> tuple[Attempt, str]:
    """One connection that is closed at once, and the address it left from."""
    begun = time.monotonic()
    try:
        async with asyncio.timeout(PATIENCE):
            with await connect_tcp(host, port) as sock:
                source: str = sock.getsockname()[0]
    except OSError as error:
        why = "no answer" if isinstance(error, TimeoutError) else sentence(error)
        return Attempt(to, host, port, why=f"{why} after {since(begun):.1f} s"), ""
    return Attempt(to, host, port, since(begun)), source


# --- incoming -----------------------------------------------------------------------------------


async def incoming(visit: Visit, others: Sequence[Service] | None) -> IncomingFacts:
    """How brokers of other hosts see us, over each protocol that we have; None: nobody says
    which there are."""
    host = read_host()
    registered = [
        name for name, one in visit.status["brokers"].items() if one["state"] == "registered"
    ]
    # Those that we are registered with are the ones that matter, and surely there.
    asked = sorted(others or (), key=lambda one: one.name not in registered)[:MAX_ASKED]
    published = _literals(map(Route.parse, visit.status["doors"]))
    has = {one.protocol for one in host.addresses}
    protocols = tuple(
        one for one in PROTOCOLS if one in has and visit.settings.enables(one) is not False
    )
    looks = [
        _look(visit, broker, protocol, _ports(visit, protocol, published))
        for protocol in protocols
        for broker in asked
    ]
    return IncomingFacts(
        seen=tuple(one for some in await asyncio.gather(*looks) for one in some),
        own=tuple(one.address for one in host.addresses),
        published=published,
        brokers=tuple(map(visit.short, registered)),
        protocols=protocols,
        askable=None if others is None else len(others),
    )


def _ports(visit: Visit, protocol: Protocol, published: Sequence[tuple[str, int]]) -> list[int]:
    """The ports that are published for this protocol, or else the one that we have."""
    told = [port for host, port in published if (":" in host) == (protocol == "ip6")]
    own = visit.status["port"]
    return list(dict.fromkeys(told)) or ([own] if own else [])


async def _look(
    visit: Visit, broker: Service, protocol: Protocol, ports: Sequence[int]
) -> list[Seen]:
    """How one broker sees us over one protocol."""
    public = (route for route in broker.address if route.network == PUBLIC)
    routes = tuple(route for route in public if _is_direct(route, protocol))
    if not routes or not ports:
        return []
    direct = tuple(one for one in visit.vantage.exits if not one.stages)
    name = visit.short(broker.name)
    try:
        service = Service(broker.name, Address(routes))
        async with visit.channel(service, _CODEC, Vantage(direct)) as channel:
            await visit.ping(name, channel)
            return [await _probe(visit, name, channel, protocol, port) for port in ports]
    except (GlasnostError, OSError):
        return []  # that it is not reached is told as outgoing


async def _probe(visit: Visit, name: str, channel: Channel, protocol: Protocol, port: int) -> Seen:
    seen = Seen(name, protocol, "", port, "not-asked")
    expected = await visit.local.expect(2 * PATIENCE + ARRIVAL)
    try:
        answer = await channel.ask(m.Probe(port=port, reply=expected.reply), 2 * PATIENCE)
        if not isinstance(answer, m.Probed):
            return dataclasses.replace(seen, why="it answers something else")
        arrived = answer.outcome == "connected" and await _arrives(expected.arrival())
    except Refused as error:
        old = error.code == "unknown-message"
        return dataclasses.replace(seen, why="it is an older release" if old else str(error))
    finally:
        expected.cancel()
    return dataclasses.replace(
        seen,
        host=answer.observed.rpartition(":")[0].strip("[]")[:MAX_HOST],
        outcome=_outcome(answer.outcome),
        arrived=arrived,
        seconds=answer.seconds if 0 <= answer.seconds < PATIENCE else 0.0,
        why=answer.why[:MAX_WHY],
    )


async def _arrives(arriving: Awaitable[socket.socket]) -> bool:
    """Whether the call comes, within `ARRIVAL` seconds."""
    try:
        async with asyncio.timeout(ARRIVAL):
            (await arriving).close()
    except (TimeoutError, GlasnostError):
        return False
    return True


def _outcome(text: str) -> Outcome:
    match text:
        case "connected" | "refused" | "timeout" | "unreachable" | "not-dialled":
            return text
    return "unreachable"  # a later release's word; its sentence says more


def _is_direct(route: Route, protocol: Protocol) -> bool:
    """Whether nobody stands in between: who is met at its end sees our own address."""
    origin, *rest = (stage.kind for stage in route.stages)
    return origin == protocol and set(rest) <= {"service"}


def _literals(doors: Iterable[Route]) -> tuple[tuple[str, int], ...]:
    """Host and port of those doors that are an address on the public network, and nothing else."""
    found: dict[tuple[str, int], None] = {}
    for door in doors:
        if door.network == PUBLIC and len(door.stages) == 1 and door.stages[0].kind in PROTOCOLS:
            host, port = door.stages[0].args
            found[host, int(port)] = None
    return tuple(found)
