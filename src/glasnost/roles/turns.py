"""Lets members take turns at what has to be done for them, and the rest of the process, too.

Who asks for more than its share is read no further until some of it is done: the kernel's buffers
fill, and it waits in its own program.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

from glasnost.core.protocols.effort import MOST, SLICE
from glasnost.core.protocols.turns import Turns
from glasnost.net.channel import Channel

T = TypeVar("T")


class TakingTurns(Generic[T]):
    """``serve`` does one thing for a channel's member, at once."""

    def __init__(self, serve: Callable[[Channel, T], None]) -> None:
        self._serve = serve
        self._turns: Turns[tuple[Channel, T]] = Turns()
        self._paused: dict[str, set[Channel]] = {}  # by member
        self._working = False

    def __bool__(self) -> bool:
        return bool(self._turns)

    def ask(self, channel: Channel, cost: int, thing: T) -> bool:
        """Have this done when it is the member's turn; False if it has too much waiting."""
        member = channel.peer.node
        taken = self._turns.waiting(member) < MOST
        if taken:
            self.go_on(channel, cost, thing)
        if self._turns.waiting(member) >= MOST:
            channel.pause_reading()
            self._paused.setdefault(member, set()).add(channel)
        return taken

    def go_on(self, channel: Channel, cost: int, thing: T) -> None:
        """The same for what was begun in an earlier turn."""
        self._turns.add(channel.peer.node, cost, (channel, thing))
        if not self._working:
            self._working = True
            asyncio.get_running_loop().call_soon(self.work)

    def work(self) -> None:
        """Do a slice of what waits, and the next one later."""
        self._working = False
        left = SLICE
        while left > 0 and (turn := self._turns.next()) is not None:
            cost, (channel, thing) = turn
            left -= cost
            self._serve(channel, thing)
            self._listen_again(channel.peer.node)
        if self._turns and not self._working:
            self._working = True
            asyncio.get_running_loop().call_soon(self.work)

    def _listen_again(self, member: str) -> None:
        if member in self._paused and self._turns.waiting(member) <= MOST // 2:
            for channel in self._paused.pop(member):
                channel.resume_reading()
