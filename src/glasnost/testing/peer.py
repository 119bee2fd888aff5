"""The program at each end of a demo's connection: a service, or a client of one.

The transfer is checked both ways: the client sends bytes and the service answers with their hash;
then the service sends as many of its own, and their hash behind them.

    python -m glasnost.testing.peer serve NAME [plain] [no-relay]
    python -m glasnost.testing.peer fetch NAME SIZE
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import struct
import sys
import time
from typing import Any

import glasnost
from glasnost.daemons.run import fast_loop
from glasnost.errors import ConnectFailed, GlasnostError
from glasnost.net.streams import streams
from glasnost.node import Node

_SIZE = struct.Struct(">Q")
_CHUNK = 1 << 18


def payload(size: int) -> bytes:
    """Bytes that nobody could have guessed or compressed."""
    return random.randbytes(size)


async def serve(name: str, protection: str, relay: str) -> None:
    """Answer callers until killed."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            (size,) = _SIZE.unpack(await reader.readexactly(_SIZE.size))
            seen = hashlib.sha256()
            left = size
            while left:
                data = await reader.read(min(left, _CHUNK))
                if not data:
                    return
                seen.update(data)
                left -= len(data)
            writer.write(seen.digest())
            own = payload(size)
            writer.write(own + hashlib.sha256(own).digest())
            await writer.drain()
            writer.write_eof()
            await reader.read(1)
        except (GlasnostError, OSError, asyncio.IncompleteReadError) as error:
            print(f"a caller was lost: {error}", file=sys.stderr)
        finally:
            writer.close()

    server = await glasnost.start_server(answer, name, protection=protection, relay=relay)
    print(f"ready: {server.name}", flush=True)
    await server.wait_closed()


async def fetch(name: str, size: int) -> dict[str, Any]:
    """Connect, transfer, check; what happened, in builtin types."""
    async with Node() as node:
        begun = time.monotonic()
        try:
            connected = await node.connect(name)
        except ConnectFailed as error:
            took = time.monotonic() - begun
            return {
                "ok": False,
                "error": str(error),
                "seconds": took,
                "tried": [*map(str, error.traces)],
            }
        reader, writer = await streams(connected.result)
        own = payload(size)
        writer.write(_SIZE.pack(size))
        writer.write(own)
        hashed = await reader.readexactly(32)
        first_byte = time.monotonic() - begun
        theirs = await reader.readexactly(size)
        ok = hashed == hashlib.sha256(own).digest()
        ok = ok and await reader.readexactly(32) == hashlib.sha256(theirs).digest()
        writer.close()
        path = connected.path
        return {
            "ok": ok,
            "route": str(path.route),
            "ways": [crossing.way for crossing in path.crossings],
            "number": path.route_number,
            "rank": connected.plan.candidates.index(path) + 1,
            "begun": connected.begun,
            "connected": connected.total,
            "first_byte": first_byte,
            "seconds": time.monotonic() - begun,
            "tried": [*map(str, connected.failed)],
            "plan": connected.plan.as_dict(),
        }


def main() -> None:
    command, name, *rest = sys.argv[1:]
    with asyncio.Runner(loop_factory=fast_loop()) as runner:
        if command == "serve":
            protection = "plain" if "plain" in rest else "sealed"
            runner.run(serve(name, protection, "no" if "no-relay" in rest else "sealed"))
        else:
            print(json.dumps(runner.run(fetch(name, int(rest[0])))))


if __name__ == "__main__":
    main()
