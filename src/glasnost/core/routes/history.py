"""What came of earlier attempts: failures that fade, and how long connecting took, in bands.

A value: `History.remember` gives the next one. Knows no clock: whoever remembers or plans says
when, in seconds of one clock that does not go back.

What failed at a stage is held against every path that begins with the same stages, since it would
fail there too. How long an attempt took is known of that whole path only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from math import exp2
from typing import Final, NamedTuple

from glasnost.core.routes.path import Path

#: Seconds until a failure counts half. A restart, a renewed lease or a roaming laptop is done
#: within a minute; a path that stays dead costs one attempt delay a minute, at most.
HALF_LIFE: Final = 60.0

#: Failures counted of one prefix: the ninth in a row says no more, and eight are forgotten within
#: four half-lives.
MAX_FAILURES: Final = 8

#: Seconds for which a connect time is believed. Routing changes, and so does load.
LATENCY_LIFETIME: Final = 600.0

#: Where one band of connect times ends and the next begins, seconds: each is four times the last,
#: as nobody notices less. Same site, same country, same continent, other side of the world.
BANDS: Final = (0.010, 0.040, 0.160, 0.640)

#: A band is left when the time lies beyond its edge by this factor: what swings by a quarter
#: around an edge stays where it is.
HYSTERESIS: Final = 1.25

#: Weight of a new connect time against the remembered one: a lost packet does not move a band.
SMOOTHING: Final = 0.25

#: Prefixes and paths remembered: what one host's programs use in ten minutes, at 300 bytes each.
MAX_ENTRIES: Final = 1024


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one attempt after so many ``seconds``.

    ``failed_stage`` is the number of the stage that could not be crossed, None if all were: the
    route's count from 1, the exit's up to 0. ``overtaken``: it had not ended when a later one
    won, so it takes at least that long.
    """

    path: Path
    seconds: float
    failed_stage: int | None = None
    overtaken: bool = False


class Entry(NamedTuple):
    """What is remembered of one path or prefix: ``at`` is when it was last heard of."""

    at: float
    failures: float = 0.0
    latency: float | None = None
    band: int = 0

    def failures_at(self, now: float) -> float:
        """The failures as they count at ``now``."""
        return self.failures * exp2(-max(0.0, now - self.at) / HALF_LIFE)

    def fresh(self, now: float) -> bool:
        """Whether anything of it still counts."""
        return now - self.at < LATENCY_LIFETIME


class Seen(NamedTuple):
    """What history says of a path at one moment: its failures in whole numbers, its band and
    connect time (None: not measured)."""

    failures: int = 0
    band: int | None = None
    latency: float | None = None


NOT_SEEN: Final = Seen()


@dataclass(frozen=True, slots=True)
class History:
    """Everything remembered; the entry heard of last stands last."""

    entries: Mapping[str, Entry] = field(default_factory=dict)

    def remember(self, outcome: Outcome, now: float) -> History:
        """The history with one more outcome in it."""
        keys = list(_prefixes(outcome.path))
        entries = dict(self.entries)
        if outcome.failed_stage is not None:
            key = keys[max(0, min(outcome.failed_stage, len(keys) - 1))]
            entries[key] = _failed(entries.pop(key, Entry(now)), now)
        else:
            if not outcome.overtaken:
                for key in keys:  # all of it has been crossed: nothing is held against it
                    _forgive(entries, key)
            entries[keys[-1]] = _measured(entries.pop(keys[-1], None), outcome, now)
        while len(entries) > MAX_ENTRIES:
            del entries[next(iter(entries))]
        for key in list(islice(entries, 2)):  # old ones stand first; two a time keeps pace
            if not entries[key].fresh(now):
                del entries[key]
        return History(entries)

    def seen(self, path: Path, now: float) -> Seen:
        """What there is to say about a path."""
        if not self.entries:
            return NOT_SEEN
        failures = 0.0
        entry: Entry | None = None
        for key in _prefixes(path):
            entry = self.entries.get(key)
            if entry is not None:
                failures = max(failures, entry.failures_at(now))
        if entry is None or entry.latency is None or not entry.fresh(now):
            return Seen(round(failures))
        return Seen(round(failures), entry.band, entry.latency)


NOTHING: Final = History()


def band_of(seconds: float, before: int | None = None) -> int:
    """The band of a connect time; one that was in a band ``before`` leaves it only with a margin.

    >>> band_of(0.05), band_of(0.045, before=1), band_of(0.06, before=1)
    (2, 1, 2)
    """
    if before is not None:
        lowest = BANDS[before - 1] / HYSTERESIS if before else 0.0
        highest = BANDS[before] * HYSTERESIS if before < len(BANDS) else float("inf")
        if lowest <= seconds < highest:
            return before
    return len([edge for edge in BANDS if edge <= seconds])


def _prefixes(path: Path) -> Iterator[str]:
    """One text for each beginning of a path: its exit, then one more for each stage of the route,
    the whole path last."""
    way_out = path.exit
    text = f"{way_out.lands}<{'/'.join(map(str, way_out.stages))}<{way_out.source}<"
    yield text
    text += path.route.network
    ways = {crossing.stage_index: crossing.way for crossing in path.crossings}
    for index, stage in enumerate(path.route.stages):
        text += f"/{stage.text}"
        if index in ways:
            text += f"<{ways[index]}"
        yield text


def _failed(entry: Entry, now: float) -> Entry:
    failures = min(entry.failures_at(now) + 1, MAX_FAILURES)
    return Entry(now, failures, entry.latency, entry.band)


def _forgive(entries: dict[str, Entry], key: str) -> None:
    entry = entries.get(key)
    if entry is not None and entry.failures:
        entries[key] = entry._replace(failures=0.0)


def _measured(entry: Entry | None, outcome: Outcome, now: float) -> Entry:
    if entry is None or entry.latency is None or not entry.fresh(now):
        failures = entry.failures_at(now) if entry else 0.0
        return Entry(now, failures, outcome.seconds, band_of(outcome.seconds))
    if outcome.overtaken:
        latency = max(entry.latency, outcome.seconds)
    else:
        latency = entry.latency + SMOOTHING * (outcome.seconds - entry.latency)
    return Entry(now, entry.failures_at(now), latency, band_of(latency, entry.band))
