"""Who reaches whom among n sources and m targets, for the cost of their few hundred shapes.

Endpoints of one shape are one group, and each pair of groups is judged once. Only endpoints on
one machine may do better than their groups do: `near` knows them. Nothing of size n x m is held.
"""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product

from glasnost.core.routes.endpoint import Endpoint, on_host
from glasnost.core.routes.judge import NO_EXITS, Court, Judge, Source
from glasnost.core.routes.match import Verdict
from glasnost.core.routes.near import Near, Side, SourceCell
from glasnost.core.routes.plan import DEFAULT_POLICY
from glasnost.core.routes.policy import Policy
from glasnost.core.routes.shapes import Shape, Shaper
from glasnost.core.routes.traits import Traits


@dataclass(slots=True)
class Group:
    """Endpoints of one shape: the first of them, and the numbers of all."""

    sample: Endpoint
    members: array[int] = field(default_factory=lambda: array("L"))

    def __len__(self) -> int:
        return len(self.members)


class Matrix:
    """Which of some sources reach which of some targets. Both are known by their numbers, from 0;
    so are their groups. Answers are found when they are asked for, and remembered by groups."""

    def __init__(
        self,
        sources: Sequence[Endpoint],
        targets: Sequence[Endpoint],
        policy: Policy,
        kinds: Mapping[str, Traits],
    ) -> None:
        shaper = Shaper(kinds)
        self._court = Court(policy, kinds, shaper)
        self.sources, self._from = _grouped(sources, shaper)
        self.targets, self._to = _grouped(targets, shaper)
        self._judges = [self._judges_of(group.sample) for group in self.targets]
        self._seen = [Source.of(group.sample, kinds) for group in self.sources]
        self._rows: list[bytes | None] = [None] * len(self.sources)

    def __repr__(self) -> str:
        n, m = len(self._from.endpoints), len(self._to.endpoints)
        return f"<Matrix {n} x {m}, {len(self.sources)} x {len(self.targets)} shapes>"

    def verdict(self, source: int, target: int) -> Verdict:
        """Of one pair, as `can_reach` says."""
        apart = self.between(*self.groups_of(source, target))
        return apart if apart is Verdict.YES else max(apart, self._near.verdict(source, target))

    def groups_of(self, source: int, target: int) -> tuple[int, int]:
        """The numbers of their groups."""
        return self._from.groups[source], self._to.groups[target]

    def between(self, source: int, target: int) -> Verdict:
        """Of a pair of groups: of all of their pairs, except that those on one machine may be
        better off."""
        return Verdict(self._row(source)[target])

    def counts(self) -> dict[Verdict, int]:
        """How many pairs have which verdict."""
        counts = dict.fromkeys(Verdict, 0)
        sizes = [len(group) for group in self.targets]
        for number, group in enumerate(self.sources):
            for verdict, size in zip(self._row(number), sizes, strict=True):
                counts[Verdict(verdict)] += len(group) * size
        for (source, target), lifted in self.lifted.items():
            for verdict, size in lifted.items():
                counts[self.between(source, target)] -= size
                counts[verdict] += size
        return counts

    @cached_property
    def lifted(self) -> dict[tuple[int, int], Counter[Verdict]]:
        """How many pairs of which two groups are better off than these, and how well."""
        lifted: defaultdict[tuple[int, int], Counter[Verdict]] = defaultdict(Counter)
        for cell in self._near.sources:
            for near, verdict in self._near.neighbours(cell):
                if verdict > self.between(cell.group, near.group):
                    size = len(cell.members) * len(near.members)
                    lifted[cell.group, near.group][verdict] += size
        return dict(lifted)

    def unreachable(self) -> Iterator[tuple[int, int]]:
        """The pairs whose verdict is no, as they are asked for; those of one group together."""
        for number, group in enumerate(self.sources):
            row = self._row(number)
            apart = [one for other, one in enumerate(self.targets) if not row[other]]
            for cell, members in self._cells_in(group):
                near = set() if cell is None else self._reached_from(cell)
                for one, target in product(members, apart):
                    for other in target.members:
                        if other not in near:
                            yield one, other

    def _cells_in(self, group: Group) -> Iterator[tuple[SourceCell | None, Sequence[int]]]:
        """A group's cells, and those of its members that are in none."""
        alone = []
        cells = {}
        for one in group.members:
            cell = self._near.cell(one)
            if cell is None:
                alone.append(one)
            else:
                cells[id(cell)] = cell
        yield None, alone
        for cell in cells.values():
            yield cell, cell.members

    def _reached_from(self, cell: SourceCell) -> set[int]:
        """Targets that a cell reaches on its machines."""
        return {one for near, _ in self._near.neighbours(cell) for one in near.members}

    @cached_property
    def _near(self) -> Near:
        return Near(self._from, self._to, self._seen, self._court)

    def _judges_of(self, target: Endpoint) -> tuple[Judge, ...]:
        routes = (route for route in target.routes if not on_host(route.network))
        return tuple(dict.fromkeys(self._court.judge(route, target) for route in routes))

    def _row(self, source: int) -> bytes:
        row = self._rows[source]
        if row is None:
            row = self._rows[source] = self._judged(self._seen[source])
        return row

    def _judged(self, source: Source) -> bytes:
        """The verdicts of one shape of sources over all groups of targets."""
        said: dict[Judge, Verdict] = {}
        row = bytearray(len(self.targets))
        for number, judges in enumerate(self._judges):
            for judge in judges:
                verdict = said.get(judge)
                if verdict is None:
                    (route,) = judge.target.routes
                    exits = source.exits.get(route.network, NO_EXITS)
                    verdict = said[judge] = judge.ask(source, exits)
                row[number] = max(row[number], verdict)
        return bytes(row)


def reach_matrix(
    sources: Sequence[Endpoint],
    targets: Sequence[Endpoint],
    policy: Policy = DEFAULT_POLICY,
    *,
    kinds: Mapping[str, Traits],
) -> Matrix:
    """What `can_reach` says of each source and each target, without asking it for each."""
    return Matrix(sources, targets, policy, kinds)


def _grouped(endpoints: Sequence[Endpoint], shaper: Shaper) -> tuple[tuple[Group, ...], Side]:
    """The groups, in the order of their first members, and the group of each endpoint."""
    groups: list[Group] = []
    known: dict[Shape, int] = {}
    numbers = array("L")
    for number, endpoint in enumerate(endpoints):
        at = known.setdefault(shaper.shape(endpoint), len(groups))
        if at == len(groups):
            groups.append(Group(endpoint))
        groups[at].members.append(number)
        numbers.append(at)
    return tuple(groups), Side(endpoints, numbers)
