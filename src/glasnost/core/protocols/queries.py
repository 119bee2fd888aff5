"""Answers which records fit: by name, by label, and by who can reach whom.

Whether records can reach each other is computed from them (``core/routes/match``), once for each
shape among them; nothing is tried. What records leave open is not left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from glasnost.core.address.limits import MAX_DNS_NAME
from glasnost.core.protocols.record_rules import MAX_PAGE, shown
from glasnost.core.protocols.record_table import Kept, RecordTable
from glasnost.core.protocols.selector import all_hold, parse_terms
from glasnost.core.routes import Endpoint, Traits, Vantage, Verdict, can_reach
from glasnost.core.routes.shapes import Shape
from glasnost.core.wire.messages import List, Listing, Party, Query
from glasnost.errors import Refused

#: Parties whose answers are remembered from one page to the next: those who ask at the moment.
MAX_PARTIES: Final = 64
#: Shapes remembered for each; a pool has a few hundred.
MAX_SHAPES: Final = 10_000


class Queries:
    """Answers queries over one table. Without ``kinds`` of stages nobody reaches anybody."""

    def __init__(self, table: RecordTable, kinds: Mapping[str, Traits]) -> None:
        self._table, self._kinds = table, kinds
        self._known: dict[tuple[Endpoint, bool], _Reachability] = {}

    def page(self, question: List | Query, now: float) -> Listing:
        """One page. Raises `Refused` with code ``too-large``, ``bad-query``, ``unknown-name``."""
        if len(question.glob) > MAX_DNS_NAME:
            raise Refused("too-large", f"a glob has at most {MAX_DNS_NAME} characters")
        among, fits = self._fitting(question) if isinstance(question, Query) else (None, None)
        limit = min(max(question.limit, 1), MAX_PAGE)
        page, more = self._table.page(question.glob, question.after, limit, among, fits)
        return Listing(
            id=question.id,
            records=tuple(kept.signed for kept in page),
            ages=tuple(kept.age(now) for kept in page),
            more=more,
        )

    def _fitting(self, query: Query) -> tuple[Sequence[str] | None, Callable[[Kept], bool]]:
        """The names to look at (None: all), and which of their records fit."""
        try:
            terms = parse_terms(query.selector)
        except ValueError as error:
            raise Refused("bad-query", str(error)) from None
        rules = []
        if query.reachable_from is not None:
            rules.append(self._rule(self._party(query.reachable_from), to_it=False))
        if query.reachable_to is not None:
            rules.append(self._rule(self._party(query.reachable_to), to_it=True))

        def fits(kept: Kept) -> bool:
            return all_hold(terms, kept.record.labels) and all(rule.allows(kept) for rule in rules)

        return self._table.labels.narrow(terms), fits

    def _party(self, party: Party) -> Endpoint:
        if not party.name:
            try:
                return Endpoint.of_vantage(Vantage.from_dict(party.vantage))
            except ValueError as error:
                raise Refused("bad-query", f"the vantage cannot be read: {error}") from None
        kept = self._table.get(party.name)
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


class _Reachability:
    """Which records one party reaches, or which reach it (``to_it``)."""

    def __init__(self, party: Endpoint, to_it: bool, kinds: Mapping[str, Traits]) -> None:
        self._party, self._to_it, self._kinds = party, to_it, kinds
        self._machines = party.into if to_it else party.on
        self._by_shape: dict[Shape, bool] = {}

    def allows(self, kept: Kept) -> bool:
        """Whether it can be, as far as records tell."""
        sketch = kept.sketch
        if sketch is None:
            return False
        machines = sketch.on if self._to_it else sketch.into
        if not self._machines.isdisjoint(machines):
            return self._ask(kept)
        allowed = self._by_shape.get(sketch.shape)
        if allowed is None:
            if len(self._by_shape) >= MAX_SHAPES:
                self._by_shape.clear()
            allowed = self._by_shape[sketch.shape] = self._ask(kept)
        return allowed

    def _ask(self, kept: Kept) -> bool:
        other = Endpoint.of_record(kept.record)
        pair = (other, self._party) if self._to_it else (self._party, other)
        return can_reach(*pair, kinds=self._kinds) is not Verdict.NO
