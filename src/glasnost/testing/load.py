"""A client that keeps a pool busy while something happens to it, and holds everybody to account.

It keeps some streams open and goes round after round on each, and makes transfer after transfer on
new ones. Each is whole, or failed with a named error, or is a *fault*: it hung, ended as if that
were all, or brought other bytes. Every line on standard input is answered with a `Report`; at the
end of input it finishes what it has begun, and reports once more.

    python -m glasnost.testing.load SPEC        (`Spec`, as JSON)
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import msgspec

from glasnost.errors import GlasnostError
from glasnost.net.bridge import dispose
from glasnost.net.loops import fast_loop
from glasnost.net.streams import streams
from glasnost.node import Node
from glasnost.roles.dialler import CONNECT_TIMEOUT
from glasnost.settings import home_directory, load_settings, run_directory
from glasnost.testing.by_agent import by_agent
from glasnost.testing.transfer import Truncated, WrongBytes, go_round

#: A stream, and how it was made: ``direct``, ``dial-back``, ``relay``; by agent: its route
Opened = tuple[asyncio.StreamReader, asyncio.StreamWriter, str]


class Hung(Exception):
    """Neither whole nor failed after all the time there was."""


class Spec(msgspec.Struct, frozen=True):
    """``hold``: names of streams to keep open (``by_agent``: the host's agent opens them, and their
    way is a route), ``names`` and ``workers``: of those that come and
    go. ``sizes``: the least and most bytes each way of a transfer; ``pause``: seconds between two.
    ``patience``: seconds after which one transfer, from connect to end, hangs."""

    names: tuple[str, ...] = ()
    workers: int = 0
    hold: tuple[str, ...] = ()
    by_agent: bool = False
    sizes: tuple[int, int] = (1, 300_000)
    pause: float = 0.05
    patience: float = 60.0
    seed: int = 0


class Held(msgspec.Struct):
    """One stream that is kept open: how it was brought about, and what became of it."""

    name: str
    way: str = ""
    rounds: int = 0
    error: str = ""


class Report(msgspec.Struct):
    """What there is: ``failed`` by the name of the error; ``said`` has one sentence for each."""

    held: list[Held]
    whole: int = 0
    failed: dict[str, int] = {}
    said: dict[str, str] = {}
    faults: list[str] = []


class Load:
    """The streams of one process."""

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._random = random.Random(spec.seed)
        self._run = run_directory(load_settings(home_directory()))
        self._held = [Held(name) for name in spec.hold]
        self._whole = 0
        self._failed: Counter[str] = Counter()
        self._said: dict[str, str] = {}
        self._faults: list[str] = []
        self._told = asyncio.Event()

    def report(self) -> Report:
        return Report(self._held, self._whole, dict(self._failed), self._said, self._faults)

    async def run(self, lines: asyncio.StreamReader) -> None:
        """Go on until the end of ``lines``, and finish."""
        async with asyncio.TaskGroup() as tasks:
            for held in self._held:
                tasks.create_task(self._hold(held))
            for _ in range(self._spec.workers):
                tasks.create_task(self._work())
            while await lines.readline():
                self._say()
            self._told.set()
        self._say()

    def _say(self) -> None:
        sys.stdout.buffer.write(msgspec.json.encode(self.report()) + b"\n")
        sys.stdout.buffer.flush()

    async def _hold(self, held: Held) -> None:
        try:
            opening = self._stream(held.name, self._spec.by_agent)
            async with opening as (reader, writer, held.way):
                while not self._told.is_set():
                    async with _limit(self._spec.patience):
                        await go_round(reader, writer, 1000)
                    held.rounds += 1
                    await self._rest()
        except (Truncated, WrongBytes, Hung) as error:
            held.error = _text(error)
            self._faults.append(f"{held.name}, held: {held.error}")
        except (GlasnostError, OSError) as error:
            held.error = _text(error)

    async def _work(self) -> None:
        while not self._told.is_set():
            await self._transfer()
            await self._rest()

    async def _transfer(self) -> None:
        name = self._random.choice(self._spec.names)
        agent, until_end = self._random.random() < 0.25, self._random.random() < 0.25
        least, most = self._spec.sizes
        size = int(least * (most / least) ** self._random.random())  # small ones are as frequent
        begun = time.monotonic()
        try:
            async with (
                _limit(self._spec.patience),
                self._stream(name, agent) as (reader, writer, _),
            ):
                await go_round(reader, writer, size, until_end=until_end)
        except (Truncated, WrongBytes, Hung) as error:
            what = f"{size} bytes{', by agent' * agent}{', until end' * until_end}"
            took = time.monotonic() - begun
            self._faults.append(f"{name}, {what}: {_text(error)} after {took:.1f} s")
        except (GlasnostError, OSError) as error:
            self._failed[type(error).__name__] += 1
            self._said.setdefault(type(error).__name__, str(error))
        else:
            self._whole += 1

    def _stream(self, name: str, agent: bool) -> AbstractAsyncContextManager[Opened]:
        return by_agent(self._run, name, CONNECT_TIMEOUT) if agent else _connected(name)

    async def _rest(self) -> None:
        """A pause, which the end of input ends."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._spec.pause):
                await self._told.wait()


@asynccontextmanager
async def _connected(name: str) -> AsyncIterator[Opened]:
    """A stream as a program of ours has it; it is cut where the block is not left properly."""
    async with Node() as node:
        connected = await node.connect(name)
    try:
        reader, writer = await streams(connected.result)
    except BaseException:
        dispose(connected.result)
        raise
    try:
        yield reader, writer, "+".join(one.way for one in connected.path.crossings) or "direct"
    except BaseException:
        writer.transport.abort()
        raise
    writer.close()


@asynccontextmanager
async def _limit(seconds: float) -> AsyncIterator[None]:
    """Raises `Hung` where the block takes longer; a timeout of the kernel's has a name."""
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            yield
    except TimeoutError:
        if limit.expired():
            raise Hung(f"neither whole nor failed within {seconds:g} s") from None
        raise


def _text(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


async def _main(spec: Spec) -> None:
    loop = asyncio.get_running_loop()
    lines = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    await Load(spec).run(lines)


def main() -> None:
    spec = msgspec.json.decode(sys.argv[1], type=Spec)
    with asyncio.Runner(loop_factory=fast_loop()) as runner:
        runner.run(_main(spec))


if __name__ == "__main__":
    main()
