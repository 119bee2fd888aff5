"""Lets callers in: the first step of every role that is spoken with over control channels."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any, Final

from glasnost.core.protocols.record_rules import shown
from glasnost.core.text import facts
from glasnost.core.wire.messages import Codec
from glasnost.errors import GlasnostError, Refused
from glasnost.net.channel import Channel, OnClose, OnMessage, accept_channel
from glasnost.net.exact import refusals, refuse
from glasnost.net.port import MAX_HALF_OPEN_PER_SOURCE, Incoming
from glasnost.trust.credentials import Credentials
from glasnost.trust.identity import Identity

#: Handshakes at a time that come from one address: who they are is known at their end only. As
#: many as may have said nothing at all.
PER_SOURCE: Final = MAX_HALF_OPEN_PER_SOURCE


class Handshakes:
    """Callers who are being let in, each by ``accept`` in a task of its own."""

    def __init__(
        self,
        accept: Callable[[Incoming], Coroutine[Any, Any, None]],
        most: int,
        per_source: int = PER_SOURCE,
    ) -> None:
        self._accept, self._most, self._per_source = accept, most, per_source
        self._tasks: set[asyncio.Task[None]] = set()
        self._sources: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._tasks)

    def take(self, incoming: Incoming) -> None:
        """Let this caller in, or refuse it; its socket is ours from here on."""
        source = source_of(incoming.peer)
        if len(self._tasks) >= self._most:
            refuse(
                incoming.sock,
                "busy",
                f"{self._most} handshakes are under way; try again",
                incoming.peer,
            )
            return
        if source and self._sources[source] >= self._per_source:
            why = f"{self._per_source} handshakes with {source} are under way; try again"
            refuse(incoming.sock, "busy", why, incoming.peer)
            return
        self._sources[source] += 1
        task = asyncio.get_running_loop().create_task(self._accept(incoming))
        self._tasks.add(task)
        task.add_done_callback(functools.partial(self._entered, incoming, source))

    async def close(self) -> None:
        """Let nobody in who is not in yet."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _entered(self, incoming: Incoming, source: str, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._sources[source] -= 1
        if not self._sources[source]:
            del self._sources[source]
        if task.cancelled():  # perhaps before its first step
            incoming.sock.close()


async def let_in(
    incoming: Incoming,
    credentials: Credentials,
    codec: Codec,
    on_message: OnMessage,
    on_close: OnClose,
    admit: Callable[[Identity], None],
    log: logging.Logger,
    silence: float,
) -> Channel | None:
    """The caller's channel; None, and a line in the log, for one that proves to be nobody, is
    refused by ``admit``, or has gone again."""
    try:
        channel = await accept_channel(
            incoming.sock,
            credentials,
            codec,
            on_message,
            on_close,
            admit=admit,
            silence=silence,
        )
    except (GlasnostError, OSError) as error:  # TimeoutError is an OSError
        code = error.code if isinstance(error, Refused) else "untrusted"
        why = shown(str(error) or "too slow")
        refusals[code] += 1
        log.info("not let in: %s", why, extra=facts(code=code, peer=incoming.peer))
        return None
    return None if channel.closed else channel


def source_of(peer: str) -> str:
    """The address of `Incoming.peer` without its port; nothing where there is none."""
    return peer.rpartition(":")[0]
