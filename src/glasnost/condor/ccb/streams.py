"""The streams that a broker relays, while they run."""

from __future__ import annotations

import asyncio
import functools
import logging
import socket
from collections.abc import Callable

from glasnost.net.buffers import Buffers
from glasnost.net.relay import Relay

log = logging.getLogger("glasnost.condor")


class Streams:
    """``idle`` ends one on which nothing moves, in seconds; ``ended`` is told the number of one
    that is over."""

    def __init__(self, idle: float, ended: Callable[[int], None]) -> None:
        self._idle, self._ended = idle, ended
        self._buffers = Buffers()
        self._relays: dict[int, tuple[Relay, asyncio.Task[None]]] = {}

    def __len__(self) -> int:
        return len(self._relays)

    def begin(self, number: int, requester: socket.socket, target: socket.socket) -> None:
        """Copy between these two, which are owned from here on."""
        relay = Relay(requester, target, buffers=self._buffers, idle=self._idle)
        task = asyncio.get_running_loop().create_task(_run(number, relay))
        self._relays[number] = relay, task
        task.add_done_callback(functools.partial(self._over, number))

    async def close(self) -> None:
        """Cut them all, so that both sides see it."""
        tasks = [task for _, task in self._relays.values()]
        for relay, _ in list(self._relays.values()):
            relay.cut("the broker ended")
        await asyncio.gather(*tasks, return_exceptions=True)

    def _over(self, number: int, task: asyncio.Task[None]) -> None:
        relay, _ = self._relays.pop(number)
        relay.cut("the relay was stopped")  # if it never began; else nothing happens
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("stream %d: a bug of ours", number, exc_info=error)
        self._ended(number)


async def _run(number: int, relay: Relay) -> None:
    tally = await relay.run()
    moved = tally.bytes_ab, tally.bytes_ba
    log.info("stream %d: %d bytes forth, %d back: %s", number, *moved, tally.error or "both ended")
