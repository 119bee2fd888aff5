"""Drives `following`: the collector's answers, the agent, and the timer."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from typing import Any, Final

from glasnost.condor.bridge.following import (
    Answered,
    Ask,
    Effect,
    Event,
    Following,
    Lost,
    Say,
    Silent,
    Tell,
    There,
    Told,
)
from glasnost.condor.bridge.gathering import Gathering
from glasnost.condor.classad import Ad
from glasnost.core.text import printable
from glasnost.errors import GlasnostError, Refused
from glasnost.net.sentences import sentence
from glasnost.roles.agent_client import AgentClient
from glasnost.roles.local import LocalAgent

log = logging.getLogger("glasnost.bridge")

#: How long one answer may take from beginning to end, seconds: 200,000 slots take 10.
ANSWER: Final = 120.0
#: An agent that has gone is looked for again after so many seconds, at first and at most.
RECONNECT: Final = (0.2, 5.0)

#: Characters of one sentence in the log.
MAX_LINE: Final = 500

#: The ads of the pool, in batches as they come.
Asking = Callable[[], AsyncGenerator[list[Ad], None]]


class Bridge:
    """``ask`` asks the pool, ``gathering`` takes one answer, ``agent`` finds the host's agent."""

    def __init__(
        self,
        ask: Asking,
        gathering: Callable[[], Gathering],
        agent: Callable[[], Awaitable[LocalAgent]],
        following: Following | None = None,
        timeout: float = ANSWER,
    ) -> None:
        self._ask, self._gathering, self._find = ask, gathering, agent
        self._core = following or Following()
        self._timeout = timeout
        self._agent: LocalAgent | None = None
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None

    def __repr__(self) -> str:
        return f"<Bridge {self._core!r}>"

    @property
    def published(self) -> int:
        """Records that the agent has taken."""
        return self._core.published

    def start(self) -> None:
        """Begin; `close` it."""
        self._spawn(self._keep_agent())
        self._run(self._core.tick(self._loop.time()))

    async def close(self) -> None:
        """Ask and tell nobody any more; what was announced is withdrawn with the connection."""
        if self._timer is not None:
            self._timer.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # --- what is carried out --------------------------------------------------------------------

    async def _asked(self) -> None:
        event: Event
        try:
            async with asyncio.timeout(self._timeout):
                gathering = await gathered(self._ask(), self._gathering())
            event = Answered(gathering.whole())
        except TimeoutError:
            why = f"its answer did not come to an end within {self._timeout:g} s"
            event = Silent(why, random.random())
        except (GlasnostError, OSError) as error:
            event = Silent(sentence(error), random.random())
        self._handle(event)

    async def _told(self, tell: Tell) -> None:
        agent = self._agent
        assert agent is not None, "nobody is told who is not there"
        names = [entry.name for entry in tell.entries]
        try:
            if tell.gone:
                await agent.retract(tell.gone)
            refused = await agent.announce(tell.entries) if tell.entries else []
        except Refused as error:  # the whole of it: it is older than this
            refused = [str(error)] * len(names)
        except (GlasnostError, OSError) as error:
            log.warning("the agent: %s", _line(sentence(error)))
            # With the connection goes what it has taken, so that nobody has to guess.
            if isinstance(agent, AgentClient):
                agent.drop(error)
            return
        self._handle(Told({name: why for name, why in zip(names, refused, strict=True) if why}))

    async def _keep_agent(self) -> None:
        """Have an agent that can be told, found again whenever it was lost."""
        wait, told = RECONNECT[0], ""
        while True:
            try:
                self._agent = await self._find()
            except (GlasnostError, OSError) as error:
                if told != (told := sentence(error)):  # each reason once
                    log.warning("the agent: %s", _line(told))
                await asyncio.sleep(wait * random.uniform(0.5, 1.0))
                wait = min(wait * 2, RECONNECT[1])
                continue
            wait, told = RECONNECT[0], ""
            self._handle(There())
            lost = self._agent.lost if isinstance(self._agent, AgentClient) else None
            if lost is None:
                return  # it is in this process
            await asyncio.wait([lost])
            self._handle(Lost())
            await asyncio.sleep(wait * random.uniform(0.5, 1.0))

    # --- the driver -----------------------------------------------------------------------------

    def _handle(self, event: Event) -> None:
        self._run(self._core.handle(event, self._loop.time()))

    def _tick(self, at: float) -> None:
        self._run(self._core.tick(max(at, self._loop.time())))

    def _run(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Ask():
                    self._spawn(self._asked())
                case Tell():
                    self._spawn(self._told(effect))
                case Say(text, bad):
                    log.log(logging.WARNING if bad else logging.INFO, "%s", _line(text))
        if self._timer is not None:
            self._timer.cancel()
        at = self._core.deadline()
        self._timer = None if at is None else self._loop.call_at(at, self._tick, at)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("a task of the bridge died", exc_info=task.exception())


async def gathered(asked: AsyncGenerator[list[Ad], None], into: Gathering) -> Gathering:
    """A whole answer, or as much of one as anybody reads."""
    async with contextlib.aclosing(asked) as batches:
        async for batch in batches:
            for ad in batch:
                into.add(ad)
            if into.full:
                break
    return into


def _line(text: str) -> str:
    """What a collector or an agent may have said, in one line of a log."""
    return printable(" ".join(text.split()), keep="")[:MAX_LINE]
