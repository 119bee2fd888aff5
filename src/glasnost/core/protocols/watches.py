"""Tells those who watch what has changed.

A watcher asks for what has changed since a certain change; while nothing has that it asked about,
the question is held. So a slow watcher holds up nobody: it asks less often, and is told less of
what lay in between. One that was away goes on where it was; one that has missed more than is kept
is told so, and begins anew with all records.
"""

from __future__ import annotations

import fnmatch
import functools
import re
from collections import Counter
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count, islice
from typing import Final

import msgspec

from glasnost.core.address.limits import MAX_DNS_NAME
from glasnost.core.protocols.changes import Change, ChangeLog
from glasnost.core.protocols.record_rules import MAX_PAGE
from glasnost.core.protocols.record_table import Kept
from glasnost.core.protocols.selector import all_hold, parse_terms
from glasnost.core.protocols.writes import Answer
from glasnost.core.wire.messages import Changes, Failed, Watch
from glasnost.errors import Refused

#: Seconds that a question is held at most: so often its asker learns that we are there, at the
#: cost of a renewal, which comes as often.
HOLD: Final = 20.0
#: Seconds in which changes are gathered before they are told: what comes together (a host with
#: its services) is told together, and the watchers of a busy pool are told ten times a second.
GATHER: Final = 0.1
#: Questions that are held: with more, to tell each of every change would take the time that the
#: others need. At 1 kB each.
MAX_WATCHES: Final = 1000
#: Of these, those of one member: its programs that watch, and some that have just ended.
WATCHES_PER_MEMBER: Final = 64
#: Changes that are looked at for one answer: at 1 µs each, others wait for 1 ms.
MAX_LOOK: Final = 1000
#: Names that a filter remembers to match or not: those that one gathering is about.
_REMEMBERED: Final = 1024

_TOO_OLD: Final = Refused("too-old", "more has changed since then than is kept: begin anew")


@dataclass(frozen=True)
class Watched:
    """Event: somebody asks what has changed; ``member`` is the node that it belongs to."""

    peer: Hashable
    member: str
    question: Watch


class _Filter:
    """Which names and labels a question is about. Raises `Refused`."""

    def __init__(self, glob: str, selector: tuple[str, ...]) -> None:
        if len(glob) > MAX_DNS_NAME:
            raise Refused("too-large", f"a glob has at most {MAX_DNS_NAME} characters")
        try:
            self._terms = parse_terms(selector)
        except ValueError as error:
            raise Refused("bad-query", str(error)) from None
        self._match = re.compile(fnmatch.translate(glob)).match
        self.about = functools.lru_cache(_REMEMBERED)(self._matches)

    def fits(self, kept: Kept | None) -> bool:
        return kept is not None and all_hold(self._terms, kept.record.labels)

    def _matches(self, name: str) -> bool:
        return self._match(name) is not None


@dataclass
class _Held:
    """A question that waits: nothing has changed for it up to the change numbered ``seen``."""

    asked: Watched
    filter: _Filter
    seen: int
    until: float

    @property
    def limit(self) -> int:
        return min(max(self.asked.question.limit, 1), MAX_PAGE)


class Watches:
    """The questions that are held, and what changes meanwhile."""

    def __init__(self, log: ChangeLog[Kept]) -> None:
        self._log = log
        self._numbers = count()
        self._held: dict[int, _Held] = {}
        self._of_member: Counter[str] = Counter()
        self._filter = functools.lru_cache(MAX_WATCHES)(_Filter)
        # The ends of questions, also of some that were answered before.
        self._ends: list[tuple[float, int]] = []
        self._told = log.last  # up to here everybody has been told
        self._tell_at: float | None = None

    def __len__(self) -> int:
        return len(self._held)

    def begin(self, asked: Watched, now: float) -> list[Answer]:
        """Answer this question, or hold it."""
        try:
            return self._begin(asked, now)
        except Refused as no:
            return [_refusal(asked, no)]

    def left(self, peer: Hashable) -> None:
        """This peer has gone, and wants no answers."""
        for number in [number for number, one in self._held.items() if one.asked.peer == peer]:
            self._release(number)

    def deadline(self) -> float | None:
        """When `look` has something to do."""
        while self._ends and self._ends[0][1] not in self._held:
            heappop(self._ends)
        times = (self._tell_at, self._ends[0][0] if self._ends else None)
        return min((at for at in times if at is not None), default=None)

    def look(self, now: float) -> Iterator[Answer]:
        """What is due: the changes, and the ends of questions."""
        if not self._held:
            self._told, self._tell_at = self._log.last, None
        elif self._told != self._log.last and self._tell_at is None:
            self._tell_at = now + GATHER
        if self._tell_at is not None and self._tell_at <= now:
            self._tell_at, self._told = None, self._log.last
            yield from self._tell(now)
        while (at := self.deadline()) is not None and at <= now:
            held = self._release(self._ends[0][1])
            yield _answer(held.asked, self._nothing(held.seen))

    def _tell(self, now: float) -> Iterator[Answer]:
        """Answer all whom the changes concern. Most watch the same and have seen as much, so that
        it is found out for all of them at once."""
        found: dict[tuple[_Filter, int, int], Changes] = {}
        for number, held in list(self._held.items()):
            if not self._log.knows(held.seen):
                yield _refusal(self._release(number).asked, _TOO_OLD)
                continue
            same = held.filter, held.seen, held.limit
            changes = found.get(same)
            if changes is None:
                changes = found[same] = self._changes(*same, now)
            held.seen = changes.seen
            if self._is_told(changes):
                yield _answer(self._release(number).asked, changes)

    def _begin(self, asked: Watched, now: float) -> list[Answer]:
        question = asked.question
        filter = self._filter(question.glob, question.selector)
        if not question.log:
            return [_answer(asked, self._nothing(self._log.last))]
        if question.log != self._log.id or not self._log.knows(question.seen):
            raise _TOO_OLD
        held = _Held(asked, filter, question.seen, now + min(question.hold, HOLD))
        changes = self._changes(filter, held.seen, held.limit, now)
        held.seen = changes.seen
        if self._is_told(changes) or not held.until > now:  # also where it is no number
            return [_answer(asked, changes)]
        if len(self._held) >= MAX_WATCHES:
            raise Refused("busy", f"{MAX_WATCHES} watchers wait here; try another directory")
        if self._of_member[asked.member] >= WATCHES_PER_MEMBER:
            raise Refused("busy", f"{WATCHES_PER_MEMBER} watchers of {asked.member} wait here")
        number = next(self._numbers)
        self._held[number] = held
        self._of_member[asked.member] += 1
        heappush(self._ends, (held.until, number))
        return []

    def _release(self, number: int) -> _Held:
        held = self._held.pop(number)
        member = held.asked.member
        self._of_member[member] -= 1
        if not self._of_member[member]:
            del self._of_member[member]
        return held

    def _changes(self, filter: _Filter, seen: int, limit: int, now: float) -> Changes:
        """What has changed of as many names as one answer may hold and can be found at once. Of
        each name only its first change counts, for what was there, and its last."""
        changed: dict[str, tuple[Change[Kept], Change[Kept]]] = {}
        for number, change in islice(self._log.since(seen), MAX_LOOK):
            if filter.about(change.name):
                if change.name not in changed and len(changed) == limit:
                    break
                first, _ = changed.get(change.name, (change, change))
                changed[change.name] = first, change
            seen = number
        here, gone = [], {}
        for name, (first, last) in changed.items():
            if last.after is not None and filter.fits(last.after):
                here.append(last.after)
            elif filter.fits(first.before):
                gone[name] = last.why or "it fits no longer"
        records, ages = [kept.signed for kept in here], [kept.age(now) for kept in here]
        return msgspec.structs.replace(
            self._nothing(seen), records=tuple(records), ages=tuple(ages), gone=gone
        )

    def _nothing(self, seen: int) -> Changes:
        return Changes(log=self._log.id, seen=seen)

    def _is_told(self, changes: Changes) -> bool:
        """Whether it is worth an answer: it says something, or there is more to look at."""
        return bool(changes.records or changes.gone) or changes.seen < self._log.last


def _answer(asked: Watched, changes: Changes) -> Answer:
    return Answer(asked.peer, msgspec.structs.replace(changes, id=asked.question.id))


def _refusal(asked: Watched, no: Refused) -> Answer:
    return Answer(asked.peer, Failed(id=asked.question.id, code=no.code, why=no.why))
