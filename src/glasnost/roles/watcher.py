"""Follows what every directory says has changed, through the agent of this host."""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from typing import Final

from glasnost.core.protocols.views import Away, News, Views
from glasnost.core.protocols.watches import HOLD
from glasnost.core.wire.messages import Query, Watch, decode_record
from glasnost.errors import GlasnostError, Refused, Unavailable
from glasnost.net.sentences import sentence
from glasnost.roles.local import LocalAgent

#: A directory that is away is asked again after the first of these times, at last after the
#: second, in seconds: a restart is over soon, and a dead host need not be asked often.
RETRY: Final = (0.5, 5.0)
#: How long the first answer waits for those of the other directories, seconds.
PATIENCE: Final = 1.0
#: So often it is looked which directories there are, and what has been away for too long.
LOOK_EVERY: Final = 5.0
#: News that wait for a reader, before nobody asks for more: a slow reader costs no memory, and
#: hears less of what lay in between.
MAX_WAITING: Final = 1000
#: What is wrong with the question itself, and will not be right the next time.
_OUR_FAULT: Final = ("bad-query", "too-large")


class Watcher:
    """News of the names that match ``glob`` (of full names) and the labels that fit ``terms``.
    ``agent`` finds the agent, again if it was lost."""

    def __init__(
        self, agent: Callable[[], Awaitable[LocalAgent]], glob: str, terms: tuple[str, ...]
    ) -> None:
        self._agent, self._glob, self._terms = agent, glob, terms
        self._loop = asyncio.get_running_loop()
        self._views = Views(())
        self._followers: dict[str, asyncio.Task[None]] = {}
        self._news: deque[News] = deque()
        self._error: BaseException | None = None
        self._changed = asyncio.Condition()

    async def news(self) -> AsyncGenerator[News, None]:
        """First all that is there, then what changes. Raises `Refused` where the question cannot
        be answered, `Unavailable` where there is nobody to ask."""
        await self._look()
        looking = self._loop.create_task(self._keep_looking())
        try:
            await self._until(lambda: self._views.heard or self._views.here)
            await self._until(lambda: self._views.heard, PATIENCE)
            present = self._views.present()
            self._news = deque(one for one in self._news if isinstance(one, Away))
            yield present
            while True:
                while self._news:
                    yield self._news.popleft()
                async with self._changed:
                    self._changed.notify_all()  # there is room
                await self._until(lambda: self._news)
        finally:
            tasks = [looking, *self._followers.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _until(self, holds: Callable[[], object], timeout: float | None = None) -> None:
        """Wait for something of what others tell us, for so many seconds at most."""
        try:
            async with asyncio.timeout(timeout), self._changed:
                await self._changed.wait_for(lambda: self._error is not None or holds())
        except TimeoutError:
            pass
        if self._error is not None:
            raise self._error

    async def _tell(self, news: Iterable[News]) -> None:
        """Pass these on, and wait while there are too many."""
        async with self._changed:
            self._news += news
            self._changed.notify_all()
            await self._changed.wait_for(lambda: len(self._news) < MAX_WAITING)

    # --- the directories ------------------------------------------------------------------------

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY)
            try:
                await self._look()
            except GlasnostError:
                pass  # the agent is away: who follows a directory says so
            await self._tell(self._views.tick(self._loop.time(), time.time()))

    async def _look(self) -> None:
        """Follow the directories that the agent was told of, and no others."""
        names = await (await self._agent()).directories()
        if not names:
            raise Unavailable("this host was told of no directory")
        for name in self._followers.keys() - names:
            self._followers.pop(name).cancel()
            await self._tell(self._views.drop(name, time.time()))
        for name in names:
            if name not in self._followers:
                self._views.add(name)
                self._followers[name] = self._loop.create_task(self._run(name))

    async def _run(self, directory: str) -> None:
        try:
            await self._follow(directory)
        except Exception as error:
            self._error = error
            await self._tell(())

    async def _follow(self, directory: str) -> None:
        """Ask for what has changed, until cancelled, whatever comes between."""
        log, seen, hold = "", 0, 0.0
        wait = RETRY[0]
        while True:
            try:
                agent = await self._agent()
                if not log:
                    log, seen = await self._begin(agent, directory)
                    hold = HOLD
                question = self._question(directory, log, seen, hold)
                changes = await agent.watch(question)
                records = [decode_record(one.payload) for one in changes.records]
                log, seen, hold, wait = changes.log, changes.seen, HOLD, RETRY[0]
            except (GlasnostError, OSError) as error:
                code = error.code if isinstance(error, Refused) else ""
                if code in _OUR_FAULT:
                    raise
                if code == "too-old":
                    log = ""
                    continue
                hold = 0.0  # to hear at once that it is back
                await self._tell(self._views.away(directory, sentence(error), self._loop.time()))
                await asyncio.sleep(wait * random.uniform(0.5, 1.0))
                wait = min(wait * 2, RETRY[1])
            else:
                now = self._loop.time()
                await self._tell(
                    self._views.some_of(directory, records, changes.gone, now, time.time())
                )

    async def _begin(self, agent: LocalAgent, directory: str) -> tuple[str, int]:
        """All that a directory has; what changes meanwhile is told again behind it."""
        begun = await agent.watch(self._question(directory, "", 0, 0.0))
        asked = Query(glob=self._glob, selector=self._terms, directory=directory)
        records = [record for record, _ in await agent.query(asked)]
        await self._tell(self._views.all_of(directory, records, self._loop.time(), time.time()))
        return begun.log, begun.seen

    def _question(self, directory: str, log: str, seen: int, hold: float) -> Watch:
        return Watch(
            glob=self._glob,
            selector=self._terms,
            directory=directory,
            log=log,
            seen=seen,
            hold=hold,
        )
