"""Finds the ads that a query or an invalidation means, as far as no language is needed for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from glasnost.condor.classad import Ad
from glasnost.condor.collector import kinds
from glasnost.condor.collector.answer import Selection
from glasnost.condor.collector.kinds import Key, word
from glasnost.condor.collector.question import Question, requirement_of
from glasnost.condor.collector.requirement import Requirement
from glasnost.condor.collector.table import Kept, Table
from glasnost.condor.collector.tables import Tables
from glasnost.condor.collector.work import Work, divide
from glasnost.errors import Refused


def select(tables: Tables, question: Question) -> list[Selection]:
    """The ads that may be meant, of each table that is asked for."""
    if question.private:
        slots = _known(tables, kinds.MACHINE)
        return [_selection(question, _candidates(slots, question.requirement), private=True)]
    if question.generic:
        asked = [tables.generic(question.table)]
    elif not question.table:
        asked = list(tables)
    else:
        asked = [tables.known(question.table) or tables.generic(question.table)]
    return [_of_table(tables, table, question) for table in asked if table is not None]


def _of_table(tables: Tables, table: Table, question: Question) -> Selection:
    if question.location and question.table and table.kind in (kinds.MACHINE, kinds.STARTD):
        # Who looks for a startd means the daemon; old ones have slots only.
        first, other = (
            _selection(question, _candidates(_known(tables, kind), question.requirement))
            for kind in (kinds.STARTD, kinds.MACHINE)
        )
        first.otherwise = other
        return first
    return _selection(question, _candidates(table, question.requirement))


def _candidates(table: Table, requirement: Requirement) -> list[Kept]:
    """All that may be meant: those of a name, or all of the table."""
    if requirement.name is None:
        return list(table.ads.values())
    return [kept for kept in table.named(requirement.name.lower()) if requirement.is_name_of(kept)]


def _selection(question: Question, ads: list[Kept], private: bool = False) -> Selection:
    if not question.of_absent:
        ads = [kept for kept in ads if not kept.absent]
    if private:
        ads = [kept.private for kept in ads if kept.private is not None]
    if not question.requirement.to_evaluate:
        return Selection(question, ads)
    secrets = question.secrets or question.private
    return Selection(question, ads, *divide(question.requirement.text, ads, secrets=secrets))


def _known(tables: Tables, kind: kinds.Kind) -> Table:
    table = tables.known(kind.name)
    assert table is not None
    return table


@dataclass
class Removal:
    """What an invalidation takes out, once it is known what ``work`` comes to."""

    table: Table | None
    keys: Sequence[Key] = ()
    work: Work | None = None
    rows: Sequence[int] = ()

    def meant(self, verdict: Sequence[bool] = ()) -> list[Key]:
        """The keys of the ads to take out."""
        if self.work is None:
            return list(self.keys)
        return [key for key, row in zip(self.keys, self.rows, strict=True) if verdict[row]]


def removal(tables: Tables, command: int, ad: Ad) -> Removal:
    """The ad whose key this one has, whatever its Requirements say; else those that they mean."""
    table = _invalidated(tables, command, word(ad, "TargetType") or "")
    if table is None:
        return Removal(None)
    key = table.kind.key(ad)
    if key is not None:
        return Removal(table, [key])
    if "Requirements" not in ad:  # of whom it is not said which, it is not said that all
        return Removal(table)
    requirement = requirement_of(ad)
    meant = {id(kept) for kept in _candidates(table, requirement)}
    found = {key: kept for key, kept in table.ads.items() if id(kept) in meant}
    if not requirement.to_evaluate:
        return Removal(table, list(found))
    return Removal(table, list(found), *divide(requirement.text, found.values()))


def _invalidated(tables: Tables, command: int, target: str) -> Table | None:
    if command == kinds.INVALIDATE_GENERIC:
        if not target:
            raise Refused("table", "an invalidation of generic ads names no table")
        return tables.generic(target)
    if command not in kinds.BY_INVALIDATE:
        raise Refused("unknown", f"a collector knows no invalidation {command}")
    kind = kinds.BY_INVALIDATE[command]
    is_startd = kind is kinds.MACHINE and target.lower() == kinds.STARTD.name.lower()
    return tables.known((kinds.STARTD if is_startd else kind).name)
