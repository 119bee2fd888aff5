"""How many of a daemon's updates came, and how many were lost on the way.

A daemon counts its updates (`UpdateSequenceNumber`) from its start (`DaemonStartTime`), so that a
gap shows. A first update, or one of another start, follows nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from glasnost.condor.classad import Ad

#: How many of the last updates the history tells of, the newest first: HTCondor's default.
HISTORY_BITS = 128


@dataclass(frozen=True, slots=True)
class Updates:
    """What is known of one ad's updates."""

    total: int = 0
    sequenced: int = 0
    lost: int = 0
    history: int = 0
    start: int | None = None
    sequence: int | None = None

    def after(self, ad: Ad) -> Updates:
        """With one more, which has come."""
        start, sequence = _number(ad, "DaemonStartTime"), _number(ad, "UpdateSequenceNumber")
        missed, follows = 0, start is not None and start == self.start
        if sequence is None or self.sequence is None:
            follows = False
        elif follows:  # one that came twice, or late, is no gap
            missed = max(sequence - self.sequence - 1, 0)
        return Updates(
            self.total + 1,
            self.sequenced + follows,
            self.lost + missed,
            self._history(missed),
            start,
            sequence,
        )

    def lines(self) -> list[bytes]:
        """As the attributes that a collector puts in."""
        return [
            b"UpdatesTotal = %d" % self.total,
            b"UpdatesSequenced = %d" % self.sequenced,
            b"UpdatesLost = %d" % self.lost,
            b'UpdatesHistory = "0x%0*x"' % (HISTORY_BITS // 4, self.history),
        ]

    def _history(self, missed: int) -> int:
        """Each update has one bit, the newest the highest: set if it was lost."""
        history = self.history
        for lost in [*[1] * min(missed, HISTORY_BITS), 0]:
            history = history >> 1 | lost << (HISTORY_BITS - 1)
        return history


def _number(ad: Ad, name: str) -> int | None:
    value = ad.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
