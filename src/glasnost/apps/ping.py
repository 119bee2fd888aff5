"""Tries whether a name is reached, by the paths that a program would take, and lets go at once.

The service sees a caller (a sealed one: which) who is accepted and leaves without a byte.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, cast

from glasnost.core.routes import Trace
from glasnost.core.wire.messages import Record
from glasnost.errors import ConnectFailed, GlasnostError
from glasnost.net.bridge import Stream, dispose
from glasnost.net.race import Lost, race
from glasnost.net.sentences import sentence
from glasnost.net.tls import TlsTransport
from glasnost.node import Node
from glasnost.roles.dialler import ACCEPT


@dataclass(frozen=True)
class Pinged:
    """What came of the paths that were tried, in order, and why other routes were not; or
    ``why`` nobody could say what the name means."""

    tried: tuple[Trace, ...] = ()
    discarded: tuple[str, ...] = ()
    why: str = ""

    @property
    def reached(self) -> Trace | None:
        """The first path that led there."""
        return next((one for one in self.tried if not one.why), None)

    def as_dict(self) -> dict[str, Any]:
        """In builtin types."""
        return {
            "reached": self.reached is not None,
            "tried": [one.as_dict() for one in self.tried],
            "not_used": list(self.discarded),
            "why": self.why or None,
        }


async def ping_once(node: Node, record: Record, timeout: float) -> Pinged:
    """Race the paths to what ``record`` describes, as every connect does."""
    try:
        connected = await node.connect_to(record, timeout)
    except ConnectFailed as error:
        return Pinged(cast(tuple[Trace, ...], error.traces), error.discarded)
    reached = await _leave(connected.result, connected.trace, timeout)
    discarded = tuple(str(one) for one in connected.plan.rejected)
    return Pinged((*connected.failed, reached), discarded)


async def ping_each(node: Node, record: Record, timeout: float) -> AsyncIterator[Trace | str]:
    """Try every path of the plan, one after the other, each for ``timeout`` seconds at most: what
    came of it; then, of each route that cannot be tried, why."""
    plan, attempts = await node.each_path(record)
    for attempt in attempts:
        try:
            won = await race([attempt.run], dispose, timeout=timeout)
        except Lost as lost:
            yield attempt.trace(lost.failures[0])
        else:
            yield await _leave(won.result, attempt.trace(), timeout)
    for one in plan.rejected:
        yield str(one)


async def _leave(stream: Stream, trace: Trace, timeout: float) -> Trace:
    """Hear whether a sealed service lets us in, and end the connection as one should."""
    if not isinstance(stream, TlsTransport):
        stream.close()
        return trace
    begun, why = time.perf_counter(), ""
    try:
        async with asyncio.timeout(timeout):
            await stream.let_in()
    except (GlasnostError, OSError) as error:
        why = sentence(error)
    finally:
        stream.close()
    return trace.then(ACCEPT, time.perf_counter() - begun, why)
