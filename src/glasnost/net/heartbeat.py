"""A beat each second: how busy the loop is, and whether this process has slept.

A laptop that sleeps, a virtual machine that is moved, a process that is stopped: when it goes on,
nothing tells it that minutes have passed, and its timers may not know of them either (Linux stops
CLOCK_MONOTONIC meanwhile). Its peers have given it up long ago. So whoever holds connections wants
to hear of it, and to look at them at once.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from typing import Final

log = logging.getLogger("glasnost.host")

#: Seconds between two beats: so long at most until a resume is noticed.
BEAT: Final = 1.0
#: A beat that is later than this, in seconds, was slept through. A loop that is merely busy is
#: late by milliseconds; and should it be this late, its peers have reason to wonder as well.
ASLEEP: Final = 5.0
#: Beats that `Heartbeat.lag` looks back on: a minute, so that no usual scraping misses one.
_REMEMBERED: Final = 60


def _awake_or_not() -> float:
    """Seconds that go on while the machine sleeps. macOS has no BOOTTIME; its MONOTONIC does."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Heartbeat:
    """``slept`` hears how many seconds were lost, when they were. Begin with `start`.

    ``beat`` is called at each beat. ``clock`` goes on while the machine sleeps.
    """

    def __init__(
        self,
        slept: Callable[[float], None] = lambda seconds: None,
        beat: Callable[[], None] = lambda: None,
        *,
        every: float = BEAT,
        clock: Callable[[], float] = _awake_or_not,
    ) -> None:
        self._slept, self._beat = slept, beat
        self._every, self._clock = every, clock
        self._loop = asyncio.get_running_loop()
        self._late: deque[float] = deque([0.0], maxlen=_REMEMBERED)
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0

    def __repr__(self) -> str:
        return f"<Heartbeat every {self._every:g} s, late by {self.lag:.3f} s at most>"

    def start(self) -> None:
        self._due = self._clock() + self._every
        self._timer = self._loop.call_later(self._every, self._now)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    @property
    def lag(self) -> float:
        """By how many seconds the loop was late, at worst, of late."""
        return max(self._late)

    def _now(self) -> None:
        late = max(0.0, self._clock() - self._due)
        self.start()
        self._beat()
        if late < ASLEEP:
            self._late.append(late)
        else:
            log.info("nothing ran here for %.0f s", late)
            self._slept(late)
