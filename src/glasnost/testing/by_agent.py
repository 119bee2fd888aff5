"""A stream that the host's agent opens for a program, as `glasnost connect` has it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from glasnost.core.wire import messages as m
from glasnost.errors import PathCut, Refused, Unavailable
from glasnost.net.fdpass import connect_packets
from glasnost.net.packets import PacketConnection
from glasnost.net.streams import streams
from glasnost.testing.transfer import Truncated

_CODEC = m.Codec(m.LOCAL)
#: Seconds within which the agent says how a stream ended whose end has just been read.
LAST_WORD = 5.0


@asynccontextmanager
async def by_agent(
    run: Path, name: str, timeout: float
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter, str]]:
    """The stream, and its route; it is cut where the block is not left properly.

    Through a local socket a cut looks like any end, so what looks `Truncated` may turn out to be a
    `PathCut`.
    """
    agent = _Words(run)
    try:
        dialled, sock = await agent.dial(name, timeout)
        reader, writer = await streams(sock)
        try:
            yield reader, writer, dialled.route
        except Truncated:
            if dialled.protection != "plain":
                await agent.last_word()
            raise
        except BaseException:
            writer.transport.abort()
            raise
        else:
            writer.close()
    finally:
        agent.close()


class _Words:
    """What is said on the local socket: one question, its answer, and one last word."""

    def __init__(self, run: Path) -> None:
        self._words: asyncio.Queue[tuple[m.Message, socket.socket | None] | None] = asyncio.Queue()
        self._packets = PacketConnection(
            connect_packets(run / "agent.sock"), self._hear, self._gone
        )

    async def dial(self, name: str, timeout: float) -> tuple[m.Dialled, socket.socket]:
        self._packets.send(m.encode(m.Dial(id=1, name=name, timeout=timeout)))
        word = await self._words.get()
        if word is None:
            raise Unavailable("the agent has gone")
        message, sock = word
        if isinstance(message, m.Failed):
            raise Refused(message.code, message.why)
        assert isinstance(message, m.Dialled) and sock is not None, message
        return message, sock

    async def last_word(self) -> None:
        """Raises `PathCut` where the agent says that the stream was cut, or is gone itself."""
        async with asyncio.timeout(LAST_WORD):
            word = await self._words.get()
        if word is None:
            raise PathCut("the agent has gone")
        if isinstance(word[0], m.Failed):
            raise PathCut(word[0].why)

    def close(self) -> None:
        self._packets.close()
        while not self._words.empty():  # a socket that came too late
            word = self._words.get_nowait()
            if word is not None and word[1] is not None:
                word[1].close()

    def _hear(self, data: bytes, passed: socket.socket | None) -> None:
        self._words.put_nowait((_CODEC.decode(data), passed))

    def _gone(self, error: BaseException) -> None:
        self._words.put_nowait(None)
