"""A stream as asyncio's reader and writer."""

from __future__ import annotations

import asyncio
from typing import Final

from glasnost.net.bridge import Stream
from glasnost.net.sockets import adopt
from glasnost.net.tls import TlsTransport

#: How many bytes a reader holds before it stops reading: asyncio's own default.
LIMIT: Final = 2**16


async def streams(
    stream: Stream, limit: int = LIMIT
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connected stream as asyncio's pair."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=limit, loop=loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    transport: asyncio.Transport
    if isinstance(stream, TlsTransport):
        transport = stream
        stream.attach(protocol)
    else:
        transport = await adopt(stream, protocol)
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)
