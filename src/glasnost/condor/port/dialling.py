"""Dials the addresses of HTCondor's daemons and clients, as the port's own daemon has to: a broker,
and whoever waits for a dial-back. All addresses are tried that an address has."""

from __future__ import annotations

import asyncio
import functools
import socket
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from glasnost.condor.addresses.endpoint import IpPort
from glasnost.condor.addresses.reading import parse
from glasnost.condor.addresses.sinful import Sinful
from glasnost.condor.stages.sock import connect_message
from glasnost.errors import Unavailable
from glasnost.net import race
from glasnost.net.sentences import sentence
from glasnost.net.sockets import closed_on_error, connect_tcp, look_up
from glasnost.settings import DEFAULT_PORT

#: Addresses of one that are tried, at most.
MAX_PLACES: Final = 8

#: Why an IP address is not dialled; None: it is.
WhyNot = Callable[[str], str | None]


def read_address(text: str) -> Sinful:
    """An address, with ``<`` and ``>`` or, as HTCondor's settings have it, without. Raises
    `SinfulError`."""
    return parse(text if text.startswith(("<", "{")) else f"<{text}>")


def broker_address(text: str) -> Sinful:
    """The address of a broker, at HTCondor's port where it names none. Raises `SinfulError`."""
    address = read_address(text)
    return replace(address, port=str(DEFAULT_PORT)) if address.port is None else address


async def dial(to: Sinful, timeout: float, why_not: WhyNot = lambda ip: None) -> socket.socket:
    """A connection to a daemon, with the message that calls it at its shared port, if it is behind
    one. Raises `Unavailable`, with every address that failed or was not dialled."""
    refused, places = [], []
    for place in await _places(to):
        why = why_not(place.ip)
        if why is None:
            places.append(place)
        else:
            refused.append(why)
    if not places:
        raise Unavailable("; ".join(refused) or "it has no address")
    attempts = [functools.partial(connect_tcp, place.ip, place.port) for place in places]
    try:
        won = await race.race(attempts, lambda sock: sock.close(), timeout=timeout)
    except race.Lost as lost:
        failed = [f"{places[one.index].ip}: {sentence(one.error)}" for one in lost.failures]
        raise Unavailable("; ".join([*failed, *refused]) or "it does not answer") from None
    if to.sock:
        with closed_on_error(won.result):
            message = connect_message(to.sock, int(timeout))
            await asyncio.get_running_loop().sock_sendall(won.result, message)
    return won.result


async def _places(to: Sinful) -> list[IpPort]:
    """Where it may be met: what it says of all its addresses, or else its first one."""
    found: list[IpPort | None] = [one for one in to.addrs if one.ip] or [to.endpoint]
    if found == [None] and to.host and to.port_number:
        hosts = await look_up(to.host, None)
        found = [IpPort.of(host, to.port_number) for host in hosts]
    return [one for one in found if one is not None and 0 < one.port < 65536][:MAX_PLACES]
