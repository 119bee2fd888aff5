"""What several directories together say that there is, for one who watches them.

A name is there while any directory has it, and gone when none has. A directory that cannot be
asked has what it had, for as long as it may take to see whether the others have lost it, too; while
none can be asked, nothing changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from glasnost.core.protocols.record_rules import LEASE, from_the_future
from glasnost.core.wire.messages import Record

#: Seconds that the word of a directory which is away counts besides another's: within them, every
#: living owner has renewed its names there.
GRACE: Final = LEASE
#: What an owner says of a name. The rest of a record changes whenever it is signed anew.
SAID: Final = ("address", "reach", "labels", "protection", "relay")


@dataclass(frozen=True)
class Present:
    """All that is there, in the order of names: how a watch begins."""

    records: tuple[Record, ...]


@dataclass(frozen=True)
class Appeared:
    """A name is there that was not."""

    record: Record


@dataclass(frozen=True)
class Changed:
    """A name's owner says something else of it: which of `SAID`."""

    before: Record
    record: Record
    what: tuple[str, ...]


@dataclass(frozen=True)
class Gone:
    """A name is there no more; ``record`` is what it was."""

    record: Record
    why: str


@dataclass(frozen=True)
class Away:
    """A directory cannot be asked any more."""

    directory: str
    why: str


@dataclass(frozen=True)
class Back:
    """It can be asked again; what changed meanwhile follows."""

    directory: str


News = Present | Appeared | Changed | Gone | Away | Back


@dataclass
class _View:
    """What one directory has. ``since`` is when it was found away; None: it was not."""

    records: dict[str, Record] = field(default_factory=dict)
    here: bool = False
    since: float | None = None


class Views:
    """The views of some directories, and what comes of them together. ``wall`` is left out where
    both clocks are one."""

    def __init__(self, directories: Iterable[str]) -> None:
        self._views = {name: _View() for name in directories}
        self._there: dict[str, Record] = {}

    def __repr__(self) -> str:
        here = sum(view.here for view in self._views.values())
        return f"<Views {len(self._there)} names, {here} of {len(self._views)} directories>"

    @property
    def heard(self) -> bool:
        """Whether every directory has been asked, successfully or not."""
        return all(view.here or view.since is not None for view in self._views.values())

    @property
    def here(self) -> bool:
        """Whether any directory can be asked."""
        return any(view.here for view in self._views.values())

    def add(self, directory: str) -> None:
        """There is another directory."""
        self._views.setdefault(directory, _View())

    def drop(self, directory: str, wall: float) -> list[News]:
        """This is a directory of the pool no more."""
        view = self._views.pop(directory, None)
        return [] if view is None else self._settled(view.records, {}, wall)

    def present(self) -> Present:
        """All that is there."""
        return Present(tuple(self._there[name] for name in sorted(self._there)))

    def all_of(
        self,
        directory: str,
        records: Iterable[Record],
        now: float,
        wall: float | None = None,
    ) -> list[News]:
        """A directory has these, and no other."""
        view, before = self._views[directory], self._views[directory].records
        news = self._is_here(view, directory, now)
        view.records = {record.name: record for record in records}
        names = before.keys() | view.records.keys()
        return news + self._settled(names, {}, now if wall is None else wall)

    def some_of(
        self,
        directory: str,
        records: Iterable[Record],
        gone: Mapping[str, str],
        now: float,
        wall: float | None = None,
    ) -> list[News]:
        """A directory has these now, and these no more."""
        view = self._views[directory]
        news = self._is_here(view, directory, now)
        changed = {record.name: record for record in records}
        view.records |= changed
        for name in gone:
            if (last := view.records.pop(name, None)) is not None:
                self._forget_elsewhere(last)
        names = changed.keys() | gone.keys()
        return news + self._settled(names, gone, now if wall is None else wall)

    def away(self, directory: str, why: str, now: float) -> list[News]:
        """A directory cannot be asked."""
        view = self._views[directory]
        if view.since is not None:
            return []
        view.here, view.since = False, now
        return [Away(directory, why)]

    def tick(self, now: float, wall: float | None = None) -> list[News]:
        """Believe no longer who is away for too long, while there is another to ask."""
        names: set[str] = set()
        if self.here:
            for view in self._views.values():
                if view.since is not None and now >= view.since + GRACE:
                    names |= view.records.keys()
                    view.records = {}
        return self._settled(names, {}, now if wall is None else wall)

    def _is_here(self, view: _View, directory: str, now: float) -> list[News]:
        if view.here:
            return []
        if not self.here:
            # Nobody could say what the others have lost before this moment.
            for other in self._views.values():
                other.since = other.since if other.since is None else now
        was_away = view.since is not None
        view.here, view.since = True, None
        return [Back(directory)] if was_away else []

    def _forget_elsewhere(self, last: Record) -> None:
        """What is gone at one directory is so at those that cannot say it themselves."""
        for view in self._views.values():
            known = view.records.get(last.name)
            if not view.here and known is not None and known.sequence <= last.sequence:
                del view.records[last.name]

    def _settled(self, names: Iterable[str], why: Mapping[str, str], wall: float) -> list[News]:
        """What these names are now, and how that differs."""
        news: list[News] = []
        for name in sorted(names):
            before, record = self._there.get(name), self._newest(name, wall)
            if record is None:
                if self._there.pop(name, None) and before is not None:
                    news.append(Gone(before, why.get(name, "no directory has it any more")))
            elif before is None:
                self._there[name] = record
                news.append(Appeared(record))
            elif _rank(record, wall) > _rank(before, wall):  # nobody goes back
                self._there[name] = record
                what = tuple(one for one in SAID if getattr(record, one) != getattr(before, one))
                news += [Changed(before, record, what)] if what else []
        return news

    def _newest(self, name: str, wall: float) -> Record | None:
        found = (view.records.get(name) for view in self._views.values())
        return max(filter(None, found), key=lambda one: _rank(one, wall), default=None)


def _rank(record: Record, wall: float) -> tuple[bool, int]:
    """Which of two records of a name is newer; what binds nobody is older than what does."""
    binds = record.not_after >= wall and not from_the_future(record.sequence, wall)
    return binds, record.sequence
