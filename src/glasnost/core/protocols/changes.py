"""What has changed among a directory's records, in order, for as long as it is kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

#: Changes that are kept at least, so that who was away may go on: a pool of ten thousand names that
#: all come up at once. What they hold is shared with the table while it stands; twice as many
#: records that were all replaced, at 2 kB each, would be 40 MB.
MAX_CHANGES: Final = 10_000

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Change(Generic[R]):
    """What was kept of a name, and what is; None: nothing, and then ``why``."""

    name: str
    before: R | None
    after: R | None
    why: str = ""


class ChangeLog(Generic[R]):
    """Changes by number, from 1. ``id`` tells this log from any other.

    >>> log = ChangeLog[str]("a", most=2)
    >>> for text in "xyz":
    ...     log.note(Change("name", None, text))
    >>> [(number, change.after) for number, change in log.since(1)], log.knows(0)
    ([(2, 'y'), (3, 'z')], True)
    >>> log.note(Change("name", None, "last"))
    >>> log.last, log.knows(1), log.knows(2)
    (4, False, True)
    """

    def __init__(self, id: str = "", most: int = MAX_CHANGES) -> None:
        self.id = id
        self._most = most
        self._changes: list[Change[R]] = []
        self._dropped = 0

    def __repr__(self) -> str:
        return f"<ChangeLog {self.id} {self._dropped + 1}..{self.last}>"

    @property
    def last(self) -> int:
        """The number of the last change; 0: there was none."""
        return self._dropped + len(self._changes)

    def note(self, change: Change[R]) -> None:
        """This has changed."""
        self._changes.append(change)
        if len(self._changes) >= 2 * self._most:  # seldom, so that each costs nothing
            del self._changes[: self._most]
            self._dropped += self._most

    def knows(self, number: int) -> bool:
        """Whether everything that came after this change is still here."""
        return self._dropped <= number <= self.last

    def since(self, number: int) -> Iterator[tuple[int, Change[R]]]:
        """Every change after this one, with its number."""
        assert self.knows(number), "who asks has made sure"
        for at in range(number - self._dropped, len(self._changes)):
            yield self._dropped + at + 1, self._changes[at]
