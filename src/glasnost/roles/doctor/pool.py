"""Facts that others know: directories, brokers, what is reached, and how this host is reached."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence

from glasnost.core.address import Address
from glasnost.core.doctor.facts import (
    BrokersFacts,
    ClockFacts,
    DirectoriesFacts,
    DirectoryFacts,
    PoolFacts,
    Registration,
)
from glasnost.core.text import in_one_line
from glasnost.core.wire import messages as m
from glasnost.errors import AddressError, GlasnostError
from glasnost.net.channel import Channel
from glasnost.roles.directory_client import DirectoryClient
from glasnost.roles.doctor import reach
from glasnost.roles.doctor.visit import PATIENCE, Service, Visit, why
from glasnost.trust import checks

_CODEC = m.Codec(m.DIRECTORY)


async def look(visit: Visit, progress: Callable[[str], None]) -> PoolFacts:
    """Everything; ``progress`` is told what is being done."""
    progress("asking the directories")
    asking = asyncio.gather(*[_directory(visit, one) for one in visit.pool.directories])
    directories, listed = await asyncio.gather(asking, _listed(visit))
    others = listed and [one for one in listed if one.name.split(".")[1] != visit.local.node]
    progress("connecting over IPv4 and IPv6")
    told = [*_elsewhere(visit), *(others or ())]
    outgoing = await asyncio.gather(*[reach.outgoing(visit, one, told) for one in reach.PROTOCOLS])
    progress("having brokers connect to this host (some seconds)")
    incoming = await reach.incoming(visit, others)
    if not visit.samples:
        progress("asking the authority for the time")
        await visit.ask_authority()
    return PoolFacts(
        DirectoriesFacts(tuple(directories), _expected(visit), visit.means.credentials is not None),
        _brokers(visit, listed, others),
        tuple(outgoing),
        incoming,
        ClockFacts(tuple(visit.samples), checks.SKEW),
    )


# --- directories --------------------------------------------------------------------------------


async def _directory(visit: Visit, one: m.Directory) -> DirectoryFacts:
    name = visit.short(one.name)
    glob = f"*.{visit.local.node}.{visit.local.domain}"
    try:
        service = Service(one.name, visit.address("directory", one.address))
        async with visit.channel(service, _CODEC) as channel:
            took = await visit.ping(name, channel)
            listed = await DirectoryClient(_given(channel), timeout=PATIENCE).list_all(glob)
        records = [m.decode_record(signed.payload) for signed, _ in listed]
    except (GlasnostError, OSError) as error:
        return DirectoryFacts(name, why(error))
    names = tuple((visit.short(record.name), record.sequence) for record in records)
    return DirectoryFacts(name, "", took, names)


def _given(channel: Channel) -> Callable[[], Awaitable[Channel]]:
    async def give() -> Channel:
        return channel

    return give


def _expected(visit: Visit) -> tuple[str, ...]:
    """The names that directories should know; what stands in for an agent has none."""
    return tuple(f"{service}.{visit.local.node}" for service in sorted(visit.status["services"]))


def _elsewhere(visit: Visit) -> Iterator[Service]:
    """The directories that are not on this host."""
    for one in visit.pool.directories:
        if one.address:
            yield Service(one.name, Address.parse(one.address))


# --- brokers ------------------------------------------------------------------------------------


async def _listed(visit: Visit) -> list[Service] | None:
    """Every broker that has a name; None: no directory answers."""
    try:
        async with asyncio.timeout(PATIENCE):
            found = await visit.local.listing(f"broker.*.{visit.local.domain}")
    except (GlasnostError, OSError):  # TimeoutError is one
        return None
    services = []
    for record, _ in found:
        try:
            services.append(Service(record.name, Address.parse(record.address)))
        except AddressError:  # its owner's text; nobody gets there
            continue
    return services


def _brokers(
    visit: Visit, listed: Sequence[Service] | None, others: Sequence[Service] | None
) -> BrokersFacts:
    registrations = tuple(
        Registration(
            visit.short(name),
            one["state"],
            one["since"],
            one["failures"],
            in_one_line(one["why"]),
            one["observed"],
        )
        for name, one in visit.status["brokers"].items()
    )
    return BrokersFacts(
        registrations,
        listed=None if others is None else tuple(visit.short(one.name) for one in others),
        own=len(others or ()) < len(listed or ()),
        wanted=visit.settings.broker_count,
    )
