"""What a matrix says to people: by class, which pairs are cut off, and what would change that."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any

from glasnost.core.routes.endpoint import Endpoint, is_own_door
from glasnost.core.routes.match import Verdict
from glasnost.core.routes.matrix import Group, Matrix, reach_matrix
from glasnost.core.routes.path import Rejected
from glasnost.core.routes.plan import DEFAULT_POLICY
from glasnost.core.routes.policy import Policy
from glasnost.core.routes.reasons import listed
from glasnost.core.routes.remedies import Remedy, reasons, remedies
from glasnost.core.routes.traits import Traits


@dataclass(frozen=True, slots=True)
class Party:
    """Endpoints on one side, with their names; ``letter`` stands before their classes' numbers."""

    letter: str
    names: Sequence[str]
    endpoints: Sequence[Endpoint]

    def class_name(self, number: int) -> str:
        """How the class with this number (from 0) is called.

        >>> Party("S", (), ()).class_name(0)
        'S1'
        """
        return f"{self.letter}{number + 1}"


@dataclass(frozen=True, slots=True)
class Broken:
    """Two classes of which not all certainly reach each other: how many pairs do not, why (by
    route), and what would be enough. Classes are counted from 0."""

    source: int
    target: int
    verdict: Verdict
    pairs: int
    reasons: tuple[Rejected, ...]
    remedies: tuple[Remedy, ...]


class Report:
    """One direction: who of one party reaches whom of another. Nobody is asked to reach itself,
    so pairs of one name are left out everywhere. ``policy`` is the sources'."""

    def __init__(
        self,
        sources: Party,
        targets: Party,
        kinds: Mapping[str, Traits],
        policy: Policy = DEFAULT_POLICY,
    ) -> None:
        self.sources, self.targets, self._kinds, self._policy = sources, targets, kinds, policy
        self.matrix: Matrix = reach_matrix(
            sources.endpoints, targets.endpoints, policy, kinds=kinds
        )
        at = {name: number for number, name in enumerate(targets.names)}
        self._selves = {number: at[name] for number, name in enumerate(sources.names) if name in at}

    @cached_property
    def counts(self) -> dict[Verdict, int]:
        """How many pairs have which verdict."""
        counts = self.matrix.counts()
        for pair in self._selves.items():
            counts[self.matrix.verdict(*pair)] -= 1
        return counts

    def unreachable(self) -> Iterator[tuple[str, str]]:
        """The pairs that cannot, by name."""
        for source, target in self.matrix.unreachable():
            if self._selves.get(source) != target:
                yield self.sources.names[source], self.targets.names[target]

    def broken(self) -> Iterator[Broken]:
        """The pairs of classes that need something, worst first: those that cannot, and of them
        those with the most pairs. Each is explained when it is asked for."""
        found = [
            (verdict, pairs, one, other)
            for one in range(len(self.matrix.sources))
            for other in range(len(self.matrix.targets))
            if (verdict := self.matrix.between(one, other)) is not Verdict.YES
            and (pairs := self.pairs(one, other))
        ]
        found.sort(key=lambda each: (each[0], -each[1]))
        for verdict, pairs, one, other in found:
            yield self._explained(one, other, verdict, pairs)

    def lifted(self, source: int, target: int) -> Counter[Verdict]:
        """How many pairs of these classes are better off than the others, on one machine."""
        return self._lifted.get((source, target), Counter())

    @cached_property
    def _lifted(self) -> dict[tuple[int, int], Counter[Verdict]]:
        lifted = {classes: Counter(counts) for classes, counts in self.matrix.lifted.items()}
        for pair, classes in self._selves_by_class:
            verdict = self.matrix.verdict(*pair)
            if verdict > self.matrix.between(*classes):
                lifted[classes][verdict] -= 1
        return {classes: +counts for classes, counts in lifted.items() if +counts}

    @cached_property
    def _selves_by_class(self) -> list[tuple[tuple[int, int], tuple[int, int]]]:
        """The pairs of one name, with their classes."""
        return [(pair, self.matrix.groups_of(*pair)) for pair in self._selves.items()]

    def as_dict(self, limit: int) -> dict[str, Any]:
        """In builtin types, with at most ``limit`` of what there could be many of."""
        rows = range(len(self.matrix.sources))
        return {
            "matrix": [
                [str(self.matrix.between(one, other)) for other in range(len(self.matrix.targets))]
                for one in rows
            ],
            "pairs": {str(verdict): count for verdict, count in self.counts.items()},
            "unreachable": [list(pair) for pair in islice(self.unreachable(), limit)],
            "broken": [self._broken_dict(one) for one in islice(self.broken(), limit)],
        }

    def _broken_dict(self, broken: Broken) -> dict[str, Any]:
        return {
            "source": self.sources.class_name(broken.source),
            "target": self.targets.class_name(broken.target),
            "verdict": str(broken.verdict),
            "pairs": broken.pairs,
            "reasons": [
                {"route": str(one.route), "part": one.part or None, "reason": one.reason}
                for one in broken.reasons
            ],
            "remedies": [one.as_dict() for one in broken.remedies],
        }

    def pairs(self, source: int, target: int) -> int:
        """How many pairs of these classes have just the verdict of the classes."""
        size = len(self.matrix.sources[source]) * len(self.matrix.targets[target])
        selves = self._selves_in[source, target]
        return size - sum(self.lifted(source, target).values()) - selves

    @cached_property
    def _selves_in(self) -> Counter[tuple[int, int]]:
        return Counter(classes for _, classes in self._selves_by_class)

    def _explained(self, source: int, target: int, verdict: Verdict, pairs: int) -> Broken:
        # What one machine brings together is told apart, and must not blur the others' reasons.
        from_ = self.matrix.sources[source].sample.apart
        to = self.matrix.targets[target].sample.apart
        return Broken(
            source,
            target,
            verdict,
            pairs,
            reasons(from_, to, self._policy, kinds=self._kinds) if verdict is Verdict.NO else (),
            remedies(from_, to, self._policy, kinds=self._kinds),
        )


def describe(endpoint: Endpoint) -> str:
    """What the endpoints of a class have in common, in one line."""
    apart = endpoint.apart
    own = {one for route in apart.routes if is_own_door(route) for one in route.landings()}
    through = {one for route in apart.routes if not is_own_door(route) for one in route.landings()}
    reach = "unknown" if apart.reach is None else listed(apart.reach) or "nothing"
    parts = [f"reaches {reach}", f"met on {listed(own)}" if own else ""]
    parts += [f"through others on {listed(through)}" if through else ""]
    if not own and not through:
        parts.append("met on its own machine only" if endpoint.routes else "met nowhere")
    parts.append("" if apart.relay else "not to be relayed")
    return "; ".join(filter(None, parts))


def classes(party: Party, groups: Sequence[Group]) -> list[dict[str, Any]]:
    """The classes of one side, in builtin types."""
    return [
        {
            "class": party.class_name(number),
            "what": describe(group.sample),
            "members": [party.names[one] for one in group.members],
        }
        for number, group in enumerate(groups)
    ]
