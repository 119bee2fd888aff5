"""A UDP port whose datagrams are commands. Nothing is ever answered; what is not taken is dropped.

What is enciphered is not vouched for by anything but that it makes sense, and may be sent again by
whoever has seen it: HTCondor's datagrams have no more.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Final

from glasnost.condor.cedar.datagrams import Assembler
from glasnost.condor.cedar.values import Reader
from glasnost.condor.commands import Command
from glasnost.condor.security.sessions import Identity
from glasnost.condor.server.datagrams import open_datagram
from glasnost.condor.server.settings import Server
from glasnost.core.text import facts
from glasnost.errors import GlasnostError, Refused
from glasnost.net.datagrams import Datagrams

log = logging.getLogger("glasnost.condor")

#: Hears a command: its number, the message in which its payload follows, and whose it is. Which
#: commands may come as datagrams is its business.
Hear = Callable[[int, Reader, Identity], Awaitable[object]]
#: Said behind some updates by HTCondor's bindings.
_NOTHING: Final = frozenset({int(Command.DC_NOP)})


async def serve_datagrams(port: Datagrams, server: Server, hear: Hear) -> None:
    """Hear what comes at a port, for ever."""
    assembler = Assembler()
    while True:
        try:
            data, address = await port.receive()
        except OSError as error:  # an ICMP message about something that somebody else has sent
            log.debug("a UDP port: %s", error)
            continue
        try:
            datagram = assembler.feed(data, address, server.clock())
            if datagram is None:
                continue
            call = open_datagram(datagram, server, address)
            if call.command not in _NOTHING:
                await hear(call.command, call.message, call.identity)
        except GlasnostError as error:
            code = error.code if isinstance(error, Refused) else "condor"
            log.info("a datagram is dropped: %s", error, extra=facts(code=code, peer=address))
