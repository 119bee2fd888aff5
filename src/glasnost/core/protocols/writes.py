"""Changes on their way to a store, and the answers that wait until they are durable.

One group is being written while the next one collects: however many peers publish during one
sync of the disk, the next sync serves them all. What could not be written stays in the group to
come, so no answer ever vouches for a change that the store does not have.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from glasnost.core.wire.messages import Failed, Message, Signed

#: After the store failed: long enough not to spin on a full disk, short enough that whoever waits
#: for an answer (`roles.directory_client` does for 5 s) gets one.
RETRY: Final = 1.0
#: Answers that may wait for the store: at a thousand groups a second they are out in no time, so
#: more than this means that the disk is stuck. Who comes then is told so.
MAX_WAITING: Final = 10_000
#: Of these, those for one node: more than its agent asks at once, so that one node's flood leaves
#: the disk's patience to the others.
WAITING_PER_NODE: Final = 1000
#: Changed names that may wait for the store: twice the records that a directory keeps.
MAX_CHANGES: Final = 200_000


class Stored(NamedTuple):
    """What a store keeps of one name: the record, and when its owner published it."""

    signed: Signed
    at: float


@dataclass(frozen=True)
class Answer:
    """Effect: tell this peer."""

    peer: Hashable
    message: Message


@dataclass(frozen=True)
class Write:
    """Effect: commit all of this or none of it, then say `Written` or `NotWritten`.

    The next `Write` comes only after that.
    """

    puts: dict[str, Stored]
    deletes: tuple[str, ...]


@dataclass(frozen=True)
class Written:
    """Event: the last `Write` is durable."""


@dataclass(frozen=True)
class NotWritten:
    """Event: the last `Write` failed; nothing of it may be counted on. ``emptied``: nor of any
    other before it, since the store was damaged and has begun anew."""

    why: str
    emptied: bool = False


@dataclass
class _Group:
    changes: dict[str, Stored | None] = field(default_factory=dict)
    answers: list[Answer] = field(default_factory=list)
    nodes: Counter[str] = field(default_factory=Counter)  # whom the answers are for


class Writes:
    """The group being written and the one that collects."""

    def __init__(self) -> None:
        self._writing: _Group | None = None
        self._next = _Group()
        self._retry_at: float | None = None

    @property
    def waiting(self) -> int:
        """Answers that wait for the store."""
        return len(self._next.answers) + (len(self._writing.answers) if self._writing else 0)

    def refusal(self, node: str) -> str:
        """Why this node should change nothing before the store has caught up, or nothing."""
        if len(self._next.changes) >= MAX_CHANGES or self.waiting >= MAX_WAITING:
            return "the directory's disk is behind; try again"
        of_node = self._next.nodes[node] + (self._writing.nodes[node] if self._writing else 0)
        if of_node >= WAITING_PER_NODE:
            return f"{WAITING_PER_NODE} questions of {node} wait for the disk; try again"
        return ""

    def put(self, name: str, stored: Stored) -> None:
        """Keep this."""
        self._next.changes[name] = stored

    def delete(self, name: str) -> None:
        """Keep this no longer."""
        self._next.changes[name] = None

    def answer(self, names: Iterable[str], answer: Answer, node: str) -> list[Answer]:
        """Answer this node now, or once the changes to all of these names are durable."""
        waits_for: _Group | None = None
        for name in names:
            if name in self._next.changes:
                waits_for = self._next
                break
            if self._writing is not None and name in self._writing.changes:
                waits_for = self._writing
        if waits_for is None:
            return [answer]
        if why := self.refusal(node):
            return [Answer(answer.peer, _refusal(answer.message, why))]
        waits_for.answers.append(answer)
        waits_for.nodes[node] += 1
        return []

    def begin(self, now: float) -> list[Write]:
        """The next write, when there is something to write and the store is free."""
        if self._writing is not None or not self._next.changes:
            return []
        if self._retry_at is not None and now < self._retry_at:
            return []
        self._writing, self._next, self._retry_at = self._next, _Group(), None
        changes = self._writing.changes
        puts = {name: stored for name, stored in changes.items() if stored is not None}
        return [Write(puts, tuple(name for name, stored in changes.items() if stored is None))]

    def written(self) -> list[Answer]:
        """The answers that the last write allows."""
        assert self._writing is not None, "no write was begun"
        answers, self._writing = self._writing.answers, None
        return answers

    def not_written(self, why: str, now: float) -> list[Answer]:
        """Refusals for those who waited; the changes go into the next group, below newer ones."""
        assert self._writing is not None, "no write was begun"
        failed, self._writing = self._writing, None
        self._next.changes = failed.changes | self._next.changes
        self._retry_at = now + RETRY
        return [Answer(each.peer, _refusal(each.message, why)) for each in failed.answers]

    def deadline(self) -> float | None:
        """When a failed write is tried again."""
        return self._retry_at if self._writing is None else None


def _refusal(instead_of: Message, why: str) -> Message:
    return Failed(id=instead_of.id, code="unavailable", why=why)
