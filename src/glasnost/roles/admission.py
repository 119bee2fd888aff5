"""Lets callers in: the first step of every role that is spoken with over control channels."""

from __future__ import annotations

import asyncio
import functools
import logging
import socket
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any, Final

from glasnost.core.protocols.record_rules import shown
from glasnost.core.text import facts
from glasnost.core.wire.messages import Codec
from glasnost.errors import GlasnostError, Refused
from glasnost.net.channel import Channel, OnClose, OnMessage, accept_channel
from glasnost.net.exact import note_refusal, refusals, refuse
from glasnost.net.port import MAX_HALF_OPEN_PER_SOURCE, Incoming
from glasnost.trust.credentials import Credentials
from glasnost.trust.identity import Identity

#: Handshakes at a time that come from one address: who they are is known at their end only. As
#: many as may have said nothing at all.
PER_SOURCE: Final = MAX_HALF_OPEN_PER_SOURCE


def _refuse(incoming: Incoming, code: str, why: str) -> None:
    refuse(incoming.sock, code, why, incoming.peer)


class Handshakes:
    """Callers who are being let in, each by ``accept`` in a task of its own, and refused by
    ``turn_away`` with a code and a sentence. ``accept`` may go on once it has said `entered`.

    Where all places are taken, who comes from an address that has few of them is given one of an
    address that has more: many addresses that say nothing keep out nobody but themselves.
    """

    def __init__(
        self,
        accept: Callable[[Incoming], Coroutine[Any, Any, None]],
        most: int,
        per_source: int = PER_SOURCE,
        turn_away: Callable[[Incoming, str, str], None] = _refuse,
    ) -> None:
        self._accept, self._most, self._per_source = accept, most, per_source
        self._turn_away = turn_away
        self._tasks: dict[asyncio.Task[None], Incoming] = {}
        self._sources: Counter[str] = Counter()
        # Those that have lost their places, and are not done with yet.
        self._ending: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def take(self, incoming: Incoming) -> None:
        """Let this caller in, or refuse it; its socket is ours from here on."""
        source = source_of(incoming.peer)
        if source and self._sources[source] >= self._per_source:
            why = f"{self._per_source} handshakes with {source} are under way; try again"
            self._turn_away(incoming, "busy", why)
            return
        if len(self._tasks) >= self._most and not self._make_room(self._sources[source]):
            why = f"{self._most} handshakes are under way; try again"
            self._turn_away(incoming, "busy", why)
            return
        self._sources[source] += 1
        task = asyncio.get_running_loop().create_task(self._accept(incoming))
        self._tasks[task] = incoming
        task.add_done_callback(functools.partial(self._ended, incoming))

    def entered(self) -> None:
        """The caller of the task that says so is in, or will never be: its place is free."""
        task = asyncio.current_task()
        if task in self._tasks:
            self._forget(task)

    async def close(self) -> None:
        """Let nobody in who is not in yet."""
        tasks = [*self._tasks, *self._ending]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _make_room(self, own: int) -> bool:
        """End a handshake of the address that has most, if one that has ``own`` gets no more than
        it by that: the youngest, on which least work is lost. What has no address is left alone:
        it was let in by somebody else, or is of this host."""
        counts = ((many, source) for source, many in self._sources.items() if source)
        many, busiest = max(counts, default=(0, ""))
        if many < own + 2:
            return False
        youngest = next(
            task
            for task, incoming in reversed(self._tasks.items())
            if source_of(incoming.peer) == busiest
        )
        incoming = self._forget(youngest)
        note_refusal("busy", f"{busiest} has {many} of {self._most} handshakes", incoming.peer)
        self._ending.add(youngest)
        youngest.cancel()
        return True

    def _forget(self, task: asyncio.Task[None]) -> Incoming:
        incoming = self._tasks.pop(task)
        source = source_of(incoming.peer)
        self._sources[source] -= 1
        if not self._sources[source]:
            del self._sources[source]
        return incoming

    def _ended(self, incoming: Incoming, task: asyncio.Task[None]) -> None:
        if task in self._tasks:
            self._forget(task)
        elif task not in self._ending:
            return  # it was in, and its socket is somebody's
        self._ending.discard(task)
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
    """Whom a connection of `Incoming.peer` counts for: an IPv4 address, or the network of 64 bits
    in which one IPv6 host may have any address; nothing where there is none.

    >>> source_of("203.0.113.5:4711"), source_of("[2001:db8::1:0:0:7]:4711"), source_of("local")
    ('203.0.113.5', '2001:db8::/64', '')
    """
    host = peer.rpartition(":")[0]
    if not host.startswith("["):
        return host
    packed = socket.inet_pton(socket.AF_INET6, host[1:].partition("]")[0].partition("%")[0])
    return socket.inet_ntop(socket.AF_INET6, packed[:8] + bytes(8)) + "/64"
