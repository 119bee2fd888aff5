"""The process that evaluates: started when it is needed, ended when it takes too much."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Sequence
from typing import Final
from weakref import WeakValueDictionary

import msgspec

from glasnost.condor.collector.work import Work
from glasnost.condor.judge.language import NOT_HERE, is_here
from glasnost.condor.judge.messages import LENGTH, Verdict, written
from glasnost.errors import Refused

#: How long one query's work may take. A question about ten attributes of 100,000 ads, none like
#: another, takes a second.
TIMEOUT: Final = 5.0
#: Bytes of the process's memory: the library takes 300 MB of addresses, and rows are there twice.
MEMORY: Final = 1024**3

_WHY: Final = "evaluating these Requirements takes too much time or memory"


class Judge:
    """Says which rows an expression holds for. One work after the other: there is one process.
    Who asks for more at once waits for himself: another waits for one work of his at most."""

    def __init__(self, timeout: float = TIMEOUT, memory: int = MEMORY) -> None:
        self._timeout = timeout
        self._memory = memory
        self._process: Process | None = None
        self._turn = asyncio.Lock()
        #: Of each who waits or is served; who has gone is forgotten.
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def verdicts(self, work: Sequence[Work], who: str = "") -> list[list[bool]]:
        """What `Answer.pieces` wants to know. `Refused` if it is no expression, if it takes too
        long, or if the extra is not installed."""
        if not work:
            return []
        if not is_here():
            raise Refused("requirements", NOT_HERE)
        async with self._turns.setdefault(who, asyncio.Lock()):
            return [await self._verdict(one) for one in work]

    async def aclose(self) -> None:
        async with self._turn:
            await self._end()

    async def _verdict(self, work: Work) -> list[bool]:
        async with self._turn:
            try:
                async with asyncio.timeout(self._timeout):
                    verdict = await self._ask(work)
            except (TimeoutError, OSError, asyncio.IncompleteReadError):
                await self._end()
                raise Refused("requirements", _WHY) from None
            except BaseException:  # its answer would be taken for the next one's
                await self._end()
                raise
        if verdict.refused:
            raise Refused("requirements", verdict.refused)
        return verdict.holds

    async def _ask(self, work: Work) -> Verdict:
        process = self._process
        if process is None:
            process = self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "glasnost.condor.judge.worker", str(self._memory)),
                stdin=PIPE,
                stdout=PIPE,
                stderr=DEVNULL,
            )
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(written(work))
        await process.stdin.drain()
        (size,) = LENGTH.unpack(await process.stdout.readexactly(LENGTH.size))
        return msgspec.msgpack.decode(await process.stdout.readexactly(size), type=Verdict)

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.returncode is None:
            process.kill()
        await process.wait()
        if process.stdin is not None:
            process.stdin.close()
