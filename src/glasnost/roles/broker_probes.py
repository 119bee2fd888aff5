"""Carries out a broker's probes: connects to where a member stands, and says what came of it."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
import time
from collections.abc import Awaitable, Callable, Iterable

from glasnost.core.protocols.broker_probes import TIMEOUT, Dial, Probes
from glasnost.core.wire.header import MAX_WHY, Call
from glasnost.core.wire.messages import Probe, Probed
from glasnost.net.channel import Channel
from glasnost.net.exact import write_call
from glasnost.net.sentences import sentence
from glasnost.net.sockets import connect_tcp

log = logging.getLogger("glasnost.broker")


class Probing:
    """``public``: address ranges that are dialled though they are not globally routable."""

    def __init__(
        self,
        public: Iterable[str] = (),
        *,
        dial: Callable[[str, int], Awaitable[socket.socket]] = connect_tcp,
        clock: Callable[[], float] = time.monotonic,
        timeout: float = TIMEOUT,
    ) -> None:
        self._core = Probes([ipaddress.ip_network(text, strict=False) for text in public])
        self._dial, self._clock, self._timeout = dial, clock, timeout
        self._tasks: set[asyncio.Task[None]] = set()

    def __repr__(self) -> str:
        return f"<Probing {self._core!r}>"

    @property
    def counts(self) -> dict[str, int]:
        return self._core.counts

    def take(self, channel: Channel, probe: Probe) -> None:
        """Answer one question, now or when its connection has come or not come."""
        found = self._core.wanted(channel.peer.node, channel.observed, probe, self._clock())
        if not isinstance(found, Dial):
            channel.tell(found)
            return
        task = asyncio.get_running_loop().create_task(self._probe(channel, probe, found))
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def close(self) -> None:
        """End those that are under way; who asked sees the channel close."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _probe(self, channel: Channel, probe: Probe, to: Dial) -> None:
        begun = self._clock()
        outcome, why = await self._call(to, probe.reply)
        seconds = self._clock() - begun
        log.info("probe for %s: %s", channel.peer, why or outcome)
        channel.tell(Probed(probe.id, channel.observed, outcome, why[:MAX_WHY], seconds))

    async def _call(self, to: Dial, reply: bytes) -> tuple[str, str]:
        """What came of one connection, and a sentence where it did not come."""
        try:
            async with asyncio.timeout(self._timeout):
                with await self._dial(to.host, to.port) as sock:
                    await write_call(sock, Call(reply=reply))
        except ConnectionRefusedError as error:
            return "refused", sentence(error)
        except TimeoutError:
            return "timeout", f"no answer within {self._timeout:g} s"
        except OSError as error:
            return "unreachable", sentence(error)
        return "connected", ""

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._core.ended()
