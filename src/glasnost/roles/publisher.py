"""Drives `core.protocols.publisher`: the questions, their answers, and the timer."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Mapping
from typing import Final

from glasnost.core.protocols.publisher import (
    Answered,
    Ask,
    Away,
    Effect,
    Event,
    Hurry,
    Publishing,
    Report,
    Wanted,
)
from glasnost.core.protocols.record_rules import shown
from glasnost.core.wire.messages import (
    Done,
    Message,
    Publish,
    Published,
    Renew,
    Renewed,
    Signed,
    Withdraw,
)
from glasnost.errors import GlasnostError
from glasnost.roles.directory_client import DirectoryClient

log = logging.getLogger("glasnost.directory")

#: What answers what.
_ANSWERS: Final[dict[type[Message], type[Message]]] = {
    Publish: Published,
    Renew: Renewed,
    Withdraw: Done,
}


class Publisher:
    """Keeps one directory told of the records that a node wants published (see
    `core.protocols.publisher`). ``on_refused`` hears the name and the reason, ``code: sentence``,
    of a record that the directory does not take."""

    def __init__(
        self,
        client: DirectoryClient,
        *,
        on_refused: Callable[[str, str], None] | None = None,
        randomness: random.Random | None = None,
    ) -> None:
        self.client = client
        self._on_refused = on_refused
        self._random = randomness or random.Random()
        self._core = Publishing()
        self._loop = asyncio.get_running_loop()
        self._asking: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._changed = asyncio.Event()

    def __repr__(self) -> str:
        return f"<Publisher {self._core!r}>"

    @property
    def away(self) -> str:
        """Why the directory is not reached at the moment, or nothing."""
        return self._core.away

    def want(self, records: Mapping[str, Signed]) -> None:
        """Have exactly these published from now on, by full name."""
        self._handle(Wanted(records))

    def check(self) -> None:
        """Look at once whether the directory is there: this host has slept, or was moved."""
        self.client.check()
        self._handle(Hurry(self._random.random()))

    async def settled(self) -> None:
        """Wait until the directory has all that is wanted, but for what it refused, and nothing
        else."""
        while not self._core.settled:
            self._changed.clear()
            await self._changed.wait()

    async def close(self, *, timeout: float = 0.0) -> None:
        """Stop; within ``timeout`` seconds, withdraw everything first."""
        try:
            if timeout > 0:
                self.want({})
                async with asyncio.timeout(timeout):
                    await self.settled()
        except TimeoutError:
            log.info("records were not withdrawn: %s", self.away or "no answer in time")
        finally:
            if self._timer is not None:
                self._timer.cancel()
            if self._asking is not None:
                self._asking.cancel()
                await asyncio.wait([self._asking])

    async def _ask(self, ask: Ask) -> None:
        event: Event
        try:
            expected = _ANSWERS[type(ask.message)]
            event = Answered(await self.client.ask(ask.message, expected))
        except GlasnostError as error:
            event = Away(str(error), self._random.random())
        self._asking = None
        self._handle(event)

    def _handle(self, event: Event) -> None:
        was = self._core.away
        self._run(self._core.handle(event, self._loop.time()))
        if self._core.away and not was:
            log.warning("a directory is away: %s", shown(self._core.away))
        self._changed.set()

    def _tick(self, at: float) -> None:
        self._run(self._core.tick(max(at, self._loop.time())))

    def _run(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Ask():
                    self._asking = self._loop.create_task(self._ask(effect))
                case Report(name, why):
                    log.warning("a directory refuses %s: %s", shown(name), shown(why))
                    if self._on_refused is not None:
                        self._on_refused(name, why)
        if self._timer is not None:
            self._timer.cancel()
        at = self._core.deadline()
        self._timer = None if at is None else self._loop.call_at(at, self._tick, at)
