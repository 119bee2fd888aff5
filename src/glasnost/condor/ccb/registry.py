"""Ids and cookies of targets: who comes back with the right cookie gets its id again.

An address that holds an id is published and handed on; so ids live longer than connections, and
longer than the broker's process (`Registry.take_changes` says what has to be kept).
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

#: How often entries of targets that are away are looked at, seconds: CCB_SWEEP_INTERVAL.
SWEEP: Final = 1200.0
#: How much ids go on at after a restart: those that were given after the last one was kept are
#: not given again. HTCondor's own.
AFTER_RESTART: Final = 100


#: Ids that are remembered, at most: of twenty times as many targets as may be here. Beyond, all
#: that are away are forgotten at once.
MOST: Final = 400_000


@dataclass(slots=True)
class Entry:
    """One id: whose it is, and what it comes back with."""

    ccbid: int
    ip: str
    cookie: str
    #: When it was last known to be in use, and whether it is now.
    used: float
    here: bool = False


class Registry:
    """All ids that were given and are not forgotten. ``kept`` are those of an earlier process."""

    def __init__(self, kept: Iterable[tuple[int, str, str]] = (), now: float = 0.0) -> None:
        self._entries = {ccbid: Entry(ccbid, ip, cookie, now) for ccbid, ip, cookie in kept}
        self._last = max(self._entries, default=-AFTER_RESTART) + AFTER_RESTART
        self._swept = now
        self._new: list[Entry] = []
        self._forgot = False

    def __len__(self) -> int:
        return len(self._entries)

    def entries(self) -> list[Entry]:
        """All that there are."""
        return list(self._entries.values())

    def claim(self, ccbid: int, ip: str, cookie: str) -> Entry | None:
        """The entry of who comes back, if it is him: right cookie, same address."""
        entry = self._entries.get(ccbid)
        if entry is None or entry.ip != ip:
            return None
        given, right = (text.encode("utf-8", "surrogateescape") for text in (cookie, entry.cookie))
        return entry if hmac.compare_digest(given, right) else None

    def new(self, ip: str, cookie: str, now: float) -> Entry:
        """A new id."""
        if len(self._entries) >= MOST:
            self._forget(now)
        self._last += 1
        entry = self._entries[self._last] = Entry(self._last, ip, cookie, now)
        self._new.append(entry)
        return entry

    def sweep_at(self) -> float | None:
        """When to `sweep`; None where there is nothing to."""
        return self._swept + SWEEP if self._entries else None

    def sweep(self, now: float) -> None:
        """Forget who has been away for two sweeps."""
        self._swept = now
        for entry in self._entries.values():
            if entry.here:
                entry.used = now
        self._forget(now - 2 * SWEEP)

    def take_changes(self) -> tuple[list[Entry], bool]:
        """What is new since the last time, and whether anything was forgotten."""
        changes = self._new, self._forgot
        self._new, self._forgot = [], False
        return changes

    def _forget(self, until: float) -> None:
        """Those who have been away since then."""
        gone = [one.ccbid for one in self._entries.values() if not one.here and one.used <= until]
        for ccbid in gone:
            del self._entries[ccbid]
        self._forgot = self._forgot or bool(gone)
