"""Writes the answer to a query: one message ``( I(1) AD )* I(0)``.

An ad is kept as an encrypted channel has it, so that answering is putting pieces together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from typing import Final

from glasnost.condor.classad.packed import (
    MARKER,
    NO_TYPES,
    NO_TYPES_ENCRYPTED,
    NUMBER_SIZE,
    NUMBERS,
    string,
)
from glasnost.condor.classad.shape import BLANKS, Shape
from glasnost.condor.collector.question import Question
from glasnost.condor.collector.table import Kept
from glasnost.condor.collector.work import Work, is_literal, spoken_of

#: Bytes that are put together before they are given out: some packets' worth.
_PIECE: Final = 256 * 1024


@dataclass(frozen=True)
class Channel:
    """How the other side wants its strings."""

    encrypted: bool = False
    #: Whether it is known to be 9.9.0 or later: then private attributes need no marker, and may
    #: have names that only these versions know.
    knows_private: bool = False


@dataclass
class Selection:
    """The ads of one table that may be meant, and what is asked of them."""

    question: Question
    ads: Sequence[Kept]
    #: What has to be evaluated to know which are meant, and the row of each; None: all are.
    work: Work | None = None
    rows: Sequence[int] = ()
    #: Where to look when nothing was found here.
    otherwise: Selection | None = None

    def found(self, verdicts: Iterator[Sequence[bool]]) -> list[Kept]:
        """The ads that are meant, by the next verdicts if there was work."""
        ads = list(self.ads)
        if self.work is not None:
            verdict = next(verdicts)
            ads = [kept for kept, row in zip(ads, self.rows, strict=True) if verdict[row]]
        return ads[: self.question.limit]


class Answer:
    """The answer to one query, as the tables were when it was asked."""

    def __init__(self, selections: Sequence[Selection]) -> None:
        self._selections = selections

    @property
    def work(self) -> list[Work]:
        """What has to be evaluated first; usually nothing."""
        return [one.work for one in self._all() if one.work is not None]

    def pieces(self, channel: Channel, verdicts: Sequence[Sequence[bool]] = ()) -> Iterator[bytes]:
        """The message's bytes, in pieces; ``verdicts`` are those on each of ``work``: for each row
        whether the expression holds."""
        parts: list[bytes] = []
        size = 0
        for question, ads in self.found(verdicts):
            write = _Writer(question, channel)
            for kept in ads:
                size += write.ad(kept, parts)
                if size > _PIECE:
                    yield b"".join(parts)
                    parts, size = [], 0
        yield b"".join([*parts, NUMBERS[0]])

    def found(
        self, verdicts: Sequence[Sequence[bool]] = ()
    ) -> Iterator[tuple[Question, list[Kept]]]:
        """The ads that are meant, with what of them is asked for."""
        left = iter(verdicts)
        for first in self._selections:
            ads = first.found(left)
            if first.otherwise is not None:
                others = first.otherwise.found(left)
                ads = ads or others
            yield first.question, ads

    def _all(self) -> Iterator[Selection]:
        for one in self._selections:
            yield one
            if one.otherwise is not None:
                yield one.otherwise


class _Writer:
    """Writes the ads of one table."""

    def __init__(self, question: Question, channel: Channel) -> None:
        self._projection = question.projection
        self._secret = question.secrets or question.private
        self._channel = channel
        self._types = NO_TYPES_ENCRYPTED if channel.encrypted else NO_TYPES
        #: Of ads with these names: the lines that are asked for, and how they should begin.
        self._plans: dict[Shape, list[tuple[int, bytes]]] = {}

    def ad(self, kept: Kept, parts: list[bytes]) -> int:
        """Write one ad; how many bytes, about."""
        if self._projection:
            lines = self._projected(kept)
            parts += (NUMBERS[1], NUMBERS[len(lines)], *lines, self._types)
            return sum(map(len, lines))
        if kept.shape.private:
            lines = self._without_hidden(kept)
            parts += (NUMBERS[1], *lines, self._types)
            return sum(map(len, lines))
        whole = kept.lines.encrypted if self._channel.encrypted else kept.lines.clear()
        parts += (NUMBERS[1], NUMBERS[len(kept.lines)], whole, self._types)
        return len(whole)

    def _projected(self, kept: Kept) -> list[bytes]:
        """The lines that are asked for, in the order of their names, as the real one has it."""
        plan = self._plans.get(kept.shape)
        if plan is None:
            plan = self._plans[kept.shape] = self._plan(kept.shape)
        lines = []
        for at, begin in plan:
            line = kept.lines.encrypted_line(at)
            if not line.startswith(begin, NUMBER_SIZE) or not is_literal(line):
                return self._with_references(kept)
            lines.append(line if self._channel.encrypted else line[NUMBER_SIZE:])
        return lines

    def _plan(self, shape: Shape) -> list[tuple[int, bytes]]:
        hidden = self._hidden(shape)
        return [
            (shape.index[name], self._projection[name])
            for name in sorted(self._projection.keys() & shape.index.keys())
            if shape.index[name] not in hidden
        ]

    def _with_references(self, kept: Kept) -> list[bytes]:
        """The same, and what these lines speak of. What was asked for is spelled as it was asked
        for."""
        found, _ = spoken_of(kept, self._projection, self._hidden(kept.shape))
        lines: dict[bytes, bytes] = {}
        for line in found:
            name, _, text = line.partition(b"=")
            name = name.strip(BLANKS)
            spelled = self._projection.get(name.lower(), name)
            lines[name.lower()] = b"%b = %b" % (spelled, text.strip(BLANKS))
        return [string(lines[name], self._channel.encrypted) for name in sorted(lines)]

    def _without_hidden(self, kept: Kept) -> list[bytes]:
        """How many lines, then the lines of a whole ad that has private ones. With the line of a
        secret its marker counts as one."""
        hidden = self._hidden(kept.shape)
        shown = [at for at in kept.shape.index.values() if at not in hidden]
        parts = [NUMBERS[len(shown)]]
        for at in shown:
            if at in kept.shape.private and not self._channel.knows_private:
                parts.append(string(MARKER, self._channel.encrypted))
            parts.append(string(kept.lines[at], self._channel.encrypted))
        return parts

    def _hidden(self, shape: Shape) -> Set[int]:
        if not self._secret:
            return shape.private
        return frozenset() if self._channel.knows_private else shape.private_v2
