"""What a host's programs have learnt of paths, for the next time they plan."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Final

from glasnost.core.routes import History, Outcome, Path

#: Bounds of an attempt delay that follows from a remembered connect time, seconds (RFC 8305,
#: section 8: a minimum of 0.1 is recommended, the maximum is 2).
DELAYS: Final = (0.1, 2.0)


class Experience:
    """Holds a `History`, and is its clock: seconds that never go back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.history = History()
        self._clock = clock

    def __repr__(self) -> str:
        return f"<Experience of {len(self.history.entries)} paths and their beginnings>"

    def now(self) -> float:
        """The moment, as the history counts."""
        return self._clock()

    def learn(self, outcomes: Iterable[Outcome]) -> None:
        """Remember what came of some attempts."""
        now = self._clock()
        for outcome in outcomes:
            self.history = self.history.remember(outcome, now)

    def delay(self, path: Path, default: float) -> float:
        """How long to wait for this path before the next is tried: twice what it took before
        (RFC 8305, section 5), or ``default`` where nobody knows."""
        seen = self.history.seen(path, self._clock())
        if seen.latency is None:
            return default
        shortest, longest = DELAYS
        return min(max(2 * seen.latency, min(shortest, default)), longest)
