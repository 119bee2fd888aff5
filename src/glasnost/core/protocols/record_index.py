"""Finds records by their labels, and keeps of each what matchmaking needs.

A label's names are kept in order, so that answers come in pages of names without sorting. Shapes
(see ``core/routes/shapes``) are kept once however many records have them: a pool has few.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from glasnost.core.protocols.selector import Term
from glasnost.core.protocols.sorted_names import SortedNames
from glasnost.core.routes import Endpoint, Traits
from glasnost.core.routes.shapes import Shape, Shaper
from glasnost.core.wire.messages import Record
from glasnost.errors import AddressError


@dataclass(frozen=True, slots=True)
class Sketch:
    """An endpoint's shape, and the machines that make it more than that: those it connects from,
    and those that routes to it begin on."""

    shape: Shape
    on: tuple[str, ...]
    into: tuple[str, ...]


class LabelIndex:
    """Names by label, and by key whatever its value."""

    def __init__(self) -> None:
        self._names: dict[tuple[str, str | None], SortedNames] = {}

    def __len__(self) -> int:
        return len(self._names)

    def add(self, name: str, labels: Mapping[str, str]) -> None:
        """A record with these labels is kept."""
        for posting in _postings(labels):
            if (names := self._names.get(posting)) is None:
                names = self._names[posting] = SortedNames()
            names.add(name)

    def remove(self, name: str, labels: Mapping[str, str]) -> None:
        """It is kept no longer."""
        for posting in _postings(labels):
            names = self._names[posting]
            names.remove(name)
            if not names:
                del self._names[posting]

    def narrow(self, terms: Iterable[Term]) -> SortedNames | None:
        """The fewest names among which all are that fit; None: the index cannot say."""
        postings = [(one.key, one.value) for one in terms if one.wanted]
        names = [self._names.get(posting) or SortedNames() for posting in postings]
        return min(names, key=len, default=None)


class Sketches:
    """Draws the sketches of records, and keeps equal shapes once."""

    def __init__(self, kinds: Mapping[str, Traits]) -> None:
        self._shaper = Shaper(kinds)
        #: Each shape, with the number of records that have it.
        self._shapes: dict[Shape, tuple[Shape, int]] = {}

    def __len__(self) -> int:
        return len(self._shapes)

    def take(self, record: Record) -> Sketch | None:
        """A record's sketch, until it is dropped; None where the record cannot be read."""
        try:
            endpoint = Endpoint.of_record(record)
        except AddressError:
            return None
        shape = self._shaper.shape(endpoint)
        shape, count = self._shapes.get(shape, (shape, 0))
        self._shapes[shape] = shape, count + 1
        return Sketch(shape, tuple(endpoint.on), tuple(endpoint.into))

    def drop(self, sketch: Sketch | None) -> None:
        """The record is kept no longer."""
        if sketch is None:
            return
        shape, count = self._shapes[sketch.shape]
        if count > 1:
            self._shapes[shape] = shape, count - 1
        else:
            del self._shapes[shape]


def _postings(labels: Mapping[str, str]) -> list[tuple[str, str | None]]:
    return [*labels.items(), *((key, None) for key in labels)]
