"""Answers which records fit: by name, by label, and by who can reach whom.

Whether records can reach each other is computed from them (``core/routes/match``), once for each
shape among them; nothing is tried. What records leave open is not left out.

A question that fits few of many records would look at all of them before its page is full, so it
is answered in steps, and others have their turns in between.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from glasnost.core.address.limits import MAX_DNS_NAME
from glasnost.core.protocols.record_rules import MAX_PAGE, shown
from glasnost.core.protocols.record_table import Kept, RecordTable
from glasnost.core.protocols.selector import Term, all_hold, parse_terms
from glasnost.core.protocols.sorted_names import SortedNames
from glasnost.core.routes import Endpoint, Traits, Vantage, Verdict, can_reach
from glasnost.core.routes.shapes import Shape
from glasnost.core.wire.messages import List, Listing, Party, Query
from glasnost.errors import Refused

#: Parties whose answers are remembered from one page to the next: those who ask at the moment.
MAX_PARTIES: Final = 64
#: Shapes remembered for each; a pool has a few hundred.
MAX_SHAPES: Final = 10_000
#: Records that one step looks at: at 2 µs each, others wait for 2 ms.
STEP: Final = 1000
#: What computing one reachability counts for, in records looked at.
COMPUTING: Final = 50


@dataclass(frozen=True)
class Search:
    """A question that is being answered: what fits among the names up to ``after``."""

    question: List | Query
    after: str
    found: tuple[Kept, ...] = ()

    @classmethod
    def of(cls, question: List | Query) -> Search:
        """At its beginning."""
        return cls(question, question.after)


class Queries:
    """Answers queries over one table. Without ``kinds`` of stages nobody reaches anybody."""

    def __init__(self, table: RecordTable, kinds: Mapping[str, Traits]) -> None:
        self._table, self._kinds = table, kinds
        self._known: dict[tuple[Endpoint, bool], _Reachability] = {}

    def step(self, search: Search, now: float) -> Listing | Search:
        """The page, or how far the search has come. Raises `Refused` with code ``too-large``,
        ``bad-query``, ``unknown-name``."""
        question = search.question
        if len(question.glob) > MAX_DNS_NAME:
            raise Refused("too-large", f"a glob has at most {MAX_DNS_NAME} characters")
        filters = self._filters(question, now)
        limit = min(max(question.limit, 1), MAX_PAGE)
        found, left = list(search.found), STEP
        for kept in self._table.walk(filters.start, search.after, filters.among):
            if kept.until > now and filters.let_through(kept):
                if len(found) == limit:
                    return _listing(question, found, now, more=True)
                found.append(kept)
            left -= 1
            if left <= filters.computed * COMPUTING:
                return Search(question, kept.record.name, tuple(found))
        return _listing(question, found, now, more=False)

    def _filters(self, question: List | Query, now: float) -> _Filters:
        if not isinstance(question, Query):
            return _Filters(question.glob)
        try:
            terms = parse_terms(question.selector)
        except ValueError as error:
            raise Refused("bad-query", str(error)) from None
        rules = []
        if question.reachable_from is not None:
            rules.append(self._rule(self._party(question.reachable_from, now), to_it=False))
        if question.reachable_to is not None:
            rules.append(self._rule(self._party(question.reachable_to, now), to_it=True))
        return _Filters(question.glob, terms, rules, self._table.labels.narrow(terms))

    def _party(self, party: Party, now: float) -> Endpoint:
        if not party.name:
            try:
                return Endpoint.of_vantage(Vantage.from_dict(party.vantage))
            except ValueError as error:
                raise Refused("bad-query", f"the vantage cannot be read: {error}") from None
        kept = self._table.get(party.name, now)
        if kept is None:
            raise Refused("unknown-name", f"no record of {shown(party.name)} is kept here")
        try:
            return Endpoint.of_record(kept.record)
        except ValueError as error:
            raise Refused("bad-query", f"the record cannot be read: {error}") from None

    def _rule(self, party: Endpoint, *, to_it: bool) -> _Reachability:
        key = party, to_it
        rule = self._known.pop(key, None) or _Reachability(party, to_it, self._kinds)
        self._known[key] = rule  # the last used are last
        if len(self._known) > MAX_PARTIES:
            del self._known[next(iter(self._known))]
        return rule


class _Filters:
    """What a record must pass; ``among`` are the names to look at, in order (None: all)."""

    def __init__(
        self,
        glob: str,
        terms: Sequence[Term] = (),
        rules: Sequence[_Reachability] = (),
        among: SortedNames | None = None,
    ) -> None:
        self.among = among
        self.start = re.split(r"[*?[]", glob, maxsplit=1)[0]  # what all names that match begin with
        self._matches = re.compile(fnmatch.translate(glob)).match
        self._terms, self._rules = terms, rules
        self._before = self._computations()

    @property
    def computed(self) -> int:
        """How many reachabilities had to be computed so far."""
        return self._computations() - self._before

    def let_through(self, kept: Kept) -> bool:
        return (
            self._matches(kept.record.name) is not None
            and all_hold(self._terms, kept.record.labels)
            and all(rule.allows(kept) for rule in self._rules)
        )

    def _computations(self) -> int:
        return sum(rule.computed for rule in self._rules)


class _Reachability:
    """Which records one party reaches, or which reach it (``to_it``)."""

    def __init__(self, party: Endpoint, to_it: bool, kinds: Mapping[str, Traits]) -> None:
        self._party, self._to_it, self._kinds = party, to_it, kinds
        self._machines = party.into if to_it else party.on
        self._by_shape: dict[Shape, bool] = {}
        self.computed = 0

    def allows(self, kept: Kept) -> bool:
        """Whether it can be, as far as records tell."""
        sketch = kept.sketch
        if sketch is None:
            return False
        machines = sketch.on if self._to_it else sketch.into
        if not self._machines.isdisjoint(machines):
            return self._compute(kept)
        allowed = self._by_shape.get(sketch.shape)
        if allowed is None:
            if len(self._by_shape) >= MAX_SHAPES:
                self._by_shape.clear()
            allowed = self._by_shape[sketch.shape] = self._compute(kept)
        return allowed

    def _compute(self, kept: Kept) -> bool:
        self.computed += 1
        other = Endpoint.of_record(kept.record)
        pair = (other, self._party) if self._to_it else (self._party, other)
        return can_reach(*pair, kinds=self._kinds) is not Verdict.NO


def _listing(question: List | Query, page: Sequence[Kept], now: float, *, more: bool) -> Listing:
    return Listing(
        id=question.id,
        records=tuple(kept.signed for kept in page),
        ages=tuple(kept.age(now) for kept in page),
        more=more,
    )
