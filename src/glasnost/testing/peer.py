"""The program at each end of a demo's connection: a service, or a client of one (`transfer`).

python -m glasnost.testing.peer serve NAME [plain] [no-relay | any-relay]
python -m glasnost.testing.peer fetch NAME SIZE
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

import glasnost
from glasnost.errors import ConnectFailed, GlasnostError
from glasnost.net.loops import fast_loop
from glasnost.net.streams import streams
from glasnost.node import Node
from glasnost.testing.transfer import Truncated, WrongBytes, answer, go_round


async def serve(name: str, *words: str) -> None:
    """Answer callers until killed."""

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await answer(reader, writer)
        except (Truncated, WrongBytes, GlasnostError, OSError) as error:
            print(f"a caller was lost: {type(error).__name__}: {error}", file=sys.stderr)
            writer.transport.abort()
        finally:
            writer.close()

    protection = "plain" if "plain" in words else "sealed"
    relay = next(
        (word.removesuffix("-relay") for word in words if word.endswith("-relay")), "sealed"
    )
    server = await glasnost.start_server(served, name, protection=protection, relay=relay)
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
        await go_round(reader, writer, 1)
        first_byte = time.monotonic() - begun
        await go_round(reader, writer, size)
        writer.close()
        path = connected.path
        return {
            "ok": True,
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
            runner.run(serve(name, *rest))
        else:
            print(json.dumps(runner.run(fetch(name, int(rest[0])))))


if __name__ == "__main__":
    main()
