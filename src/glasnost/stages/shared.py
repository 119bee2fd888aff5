"""What the paths of one connect share: control channels to the brokers that several pass.

Dial-back and relay through one broker, or two targets' names behind it, are asked for on one
connection; a broker that cannot be reached costs its failure once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable

from glasnost.net.channel import Channel


class SharedChannels:
    """Channels by what led to them, opened when they are first needed, closed all together."""

    def __init__(self) -> None:
        self._opening: dict[Hashable, asyncio.Task[Channel]] = {}

    def __repr__(self) -> str:
        return f"<SharedChannels {len(self._opening)}>"

    def has(self, key: Hashable) -> bool:
        """Whether it is open, or being opened by another path."""
        return key in self._opening

    async def get(self, key: Hashable, opener: Callable[[], Awaitable[Channel]]) -> Channel:
        """The channel, or why it could not be opened. Who stops waiting stops nobody else."""
        opening = self._opening.get(key)
        if opening is None:
            opening = self._opening[key] = asyncio.create_task(_open(opener))
        return await asyncio.shield(opening)

    def close(self) -> None:
        """End what is being opened, and close what was. Nothing is awaited: who calls this may
        have a socket in hand."""
        for opening in self._opening.values():
            opening.cancel()
            if opening.done():
                _end(opening)
            else:
                opening.add_done_callback(_end)
        self._opening.clear()


async def _open(opener: Callable[[], Awaitable[Channel]]) -> Channel:
    return await opener()


def _end(opening: asyncio.Task[Channel]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()
