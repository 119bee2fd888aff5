"""The one timer of a core: rings when the core has something due."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Alarm:
    """Calls ``ring(now)`` when what was `set` is due; ``now`` is never before that.

    Deadlines are set for every request and most are taken back, so a timer that is already running
    is only ever replaced by an earlier one. It may therefore ring for nothing: whoever is rung has
    to say anew when that should be.
    """

    def __init__(self, ring: Callable[[float], None], clock: Callable[[], float]) -> None:
        self._ring, self._clock = ring, clock
        self._at = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def set(self, at: float | None) -> None:
        """Ring at ``at``, or before; None: nothing is due."""
        if at is None or (self._timer is not None and self._at <= at):
            return
        self.cancel()
        delay = max(0.0, at - self._clock())
        self._timer, self._at = asyncio.get_running_loop().call_later(delay, self._over), at

    def cancel(self) -> None:
        """Ring no more, until it is set again."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _over(self) -> None:
        self._timer = None
        # A timer may fire a hair early; never tell a core a time before the one it asked for.
        self._ring(max(self._at, self._clock()))
