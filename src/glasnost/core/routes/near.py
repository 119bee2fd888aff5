"""Endpoints on one machine: routes that begin there are for them alone.

Sources and targets that a machine brings together are sorted into cells: one cell is one group
(see `matrix`) and the same facts on the same machines. A cell is asked about as one.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

from glasnost.core.routes.endpoint import Endpoint
from glasnost.core.routes.judge import Court, Judge, Source
from glasnost.core.routes.match import Verdict


@dataclass(frozen=True, slots=True)
class Side:
    """Sources or targets, and the number of each one's group."""

    endpoints: Sequence[Endpoint]
    groups: Sequence[int]

    @property
    def placed(self) -> Iterable[tuple[Endpoint, int]]:
        """Each with its group."""
        return zip(self.endpoints, self.groups, strict=True)


@dataclass(slots=True)
class SourceCell:
    """Sources of one group that come out by the same protocols on the same machines."""

    group: int
    on: Mapping[str, frozenset[str]]
    members: array[int] = field(default_factory=lambda: array("L"))


@dataclass(slots=True)
class TargetCell:
    """Targets of one group with the same routes from the same machines."""

    group: int
    routes: frozenset[tuple[str, Judge]]
    members: array[int] = field(default_factory=lambda: array("L"))


class Near:
    """The pairs that a machine brings together, by cells. ``groups`` are the sources' groups."""

    def __init__(
        self, sources: Side, targets: Side, groups: Sequence[Source], court: Court
    ) -> None:
        self._groups, self._court = groups, court
        # Machines that sources are perhaps on: whoever is on one has a door there, or reaches it.
        shared = set(chain.from_iterable([one.into for one in sources.endpoints]))
        for reach in {one.reach for one in sources.endpoints if one.reach}:
            shared.update(one.network for one in reach)
        shared &= set(chain.from_iterable([one.into for one in targets.endpoints]))
        self._source_of: dict[int, SourceCell] = {}
        self._target_of: dict[int, TargetCell] = {}
        #: By machine: the cells of targets with a route from there.
        self._from: defaultdict[str, list[TargetCell]] = defaultdict(list)
        self.sources = self._sort_sources(sources, shared)
        self._sort_targets(targets, shared)

    def verdict(self, source: int, target: int) -> Verdict:
        """How the pair of these numbers does by routes from one machine."""
        from_, to = self._source_of.get(source), self._target_of.get(target)
        return Verdict.NO if from_ is None or to is None else self._between(from_, to)

    def cell(self, source: int) -> SourceCell | None:
        """The cell of the source with this number; None: no machine brings it to anybody."""
        return self._source_of.get(source)

    def neighbours(self, cell: SourceCell) -> Iterator[tuple[TargetCell, Verdict]]:
        """The cells that a cell of sources reaches by routes from one machine, and how well."""
        cells = {id(one): one for host in cell.on for one in self._from.get(host, ())}
        for one in cells.values():
            if verdict := self._between(cell, one):
                yield one, verdict

    def _between(self, source: SourceCell, target: TargetCell) -> Verdict:
        """The best verdict of the routes from machines that the source is on."""
        group = self._groups[source.group]
        verdicts = [
            judge.ask(group, source.on[host]) for host, judge in target.routes if host in source.on
        ]
        return max(verdicts, default=Verdict.NO)

    def _sort_sources(self, sources: Side, shared: set[str]) -> tuple[SourceCell, ...]:
        cells: dict[object, SourceCell] = {}
        for number, (endpoint, group) in enumerate(sources.placed if shared else ()):
            on: dict[str, frozenset[str]] = {}
            for one in endpoint.landings:
                if one.network in shared:
                    on[one.network] = on.get(one.network, frozenset()) | {one.protocol}
            if not on:
                continue
            cell = cells.setdefault((group, frozenset(on.items())), SourceCell(group, on))
            cell.members.append(number)
            self._source_of[number] = cell
        return tuple(cells.values())

    def _sort_targets(self, targets: Side, shared: set[str]) -> None:
        cells: dict[object, TargetCell] = {}
        for number, (endpoint, group) in enumerate(targets.placed if shared else ()):
            routes = frozenset(
                (route.network, self._court.judge(route, endpoint))
                for route in endpoint.routes
                if route.network in shared
            )
            if not routes:
                continue
            cell = cells.get((group, routes))
            if cell is None:
                cell = cells[group, routes] = TargetCell(group, routes)
                for host in {host for host, _ in routes}:
                    self._from[host].append(cell)
            cell.members.append(number)
            self._target_of[number] = cell
