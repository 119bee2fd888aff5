"""Whether our place is taken: by HTCondor's own shared port or collector."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Final

from glasnost.condor.addresses import reading
from glasnost.condor.addresses.endpoint import IpPort
from glasnost.condor.commands import Command
from glasnost.condor.stream import CedarStream
from glasnost.errors import GlasnostError, SinfulError
from glasnost.net.interfaces import read_host
from glasnost.net.sockets import connect_tcp

#: Its answer comes from this machine, and is a few bytes.
_PATIENCE: Final = 1.0
_INSTANCE: Final = 16
_MAX_ANSWER: Final = 64
_OWN_ADDRESS: Final = re.compile(r'^MyAddress = "(<[^"\n]{1,1000}>)"$', re.MULTILINE)


async def is_htcondor(host: str, port: int) -> bool:
    """Whether a daemon of HTCondor's answers there: by a question that each answers to all."""
    try:
        async with asyncio.timeout(_PATIENCE):
            stream = CedarStream(await connect_tcp(host, port))
            try:
                writer = stream.writer()
                writer.integer(Command.DC_QUERY_INSTANCE)
                await stream.send(writer)
                return (await stream.receive(_MAX_ANSWER)).left == _INSTANCE
            finally:
                stream.close()
    except (GlasnostError, OSError, TimeoutError):
        return False


async def is_htcondor_here(port: int) -> bool:
    """Whether one answers at any address of this host."""
    hosts = ["127.0.0.1", "::1", *(one.address for one in read_host().addresses)]
    return any(await asyncio.gather(*[is_htcondor(host, port) for host in hosts]))


def told_of(port_ad: Path) -> IpPort | None:
    """Where the shared port is that writes this file, or has left it there."""
    try:
        found = _OWN_ADDRESS.search(port_ad.read_text("utf-8", "replace"))
        address = reading.parse(found[1]) if found else None
    except (OSError, SinfulError):
        return None
    return address.endpoint if address is not None else None
