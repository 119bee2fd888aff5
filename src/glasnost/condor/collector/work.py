"""What has to be evaluated, for whoever knows the language (`condor/judge`).

They are given the expression, and of each ad the lines that it speaks of, directly or by way of
other lines, with a zero byte between them. Ads that look alike to the expression are one row: of
ten thousand slots, a question about State and Cpus has a dozen.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Set
from dataclasses import dataclass, field
from typing import Final

from glasnost.condor.classad.packed import NUMBER_SIZE
from glasnost.condor.classad.references import is_dynamic, references
from glasnost.condor.classad.shape import BLANKS, as_text
from glasnost.condor.classad.values import Expression, read_value
from glasnost.condor.collector.table import Kept
from glasnost.errors import Refused

#: Bytes of all rows. An expression that speaks of ten attributes takes 20 MB for 100,000 ads.
MAX_WORK: Final = 128 * 1024 * 1024

#: Most lines are literals, and this sees it at once. (A packed line: its length comes first.)
_LITERAL: Final = re.compile(rb'[^=]*=[ \t]*(?:"[^"]*"|[-0-9.]+|true|false)\0')
_CHANCE: Final = re.compile(r"\brandom\s*\(", re.IGNORECASE)


@dataclass
class Work:
    """An expression and the rows, each some lines of one ad, to evaluate it in."""

    expression: str
    rows: list[bytes] = field(default_factory=list)


def divide(
    expression: str, ads: Iterable[Kept], *, secrets: bool = False
) -> tuple[Work, list[int]]:
    """The work, and which row stands for which ad.

    Without ``secrets`` these are left out: who may not see one could find it out by asking.
    """
    work = Work(expression.encode("utf-8", "replace").decode())  # the language's texts are UTF-8
    numbers: dict[bytes, int] = {}
    of_ads: list[int] = []
    names = references(expression)
    everything, chance = is_dynamic(expression), _CHANCE.search(expression) is not None
    size = 0
    for kept in ads:
        hidden = frozenset() if secrets else kept.shape.private
        lines, dynamic = spoken_of(kept, names, hidden)
        row = b"\0".join(_all(kept, hidden) if everything or dynamic else lines)
        number = len(work.rows) if chance else numbers.setdefault(row, len(work.rows))
        if number == len(work.rows):
            work.rows.append(row)
            size += len(row)
            if size > MAX_WORK:
                raise Refused("requirements", "Requirements that speak of too much of too many ads")
        of_ads.append(number)
    return work, of_ads


def spoken_of(kept: Kept, names: Iterable[bytes], hidden: Set[int]) -> tuple[list[bytes], bool]:
    """The lines of these attributes and of those that they speak of, without the ``hidden`` ones;
    and whether they may speak of more."""
    index = kept.shape.index
    lines: list[bytes] = []
    dynamic = False
    wanted = list(names)
    known = set(wanted)
    for name in wanted:  # which grows meanwhile
        at = index.get(name)
        if at is None or at in hidden:
            continue
        lines.append(kept.lines[at])
        if (text := _expression(kept, at)) is not None:
            dynamic = dynamic or is_dynamic(text)
            new = [name for name in references(text) if name not in known]
            known.update(new)
            wanted += new
    return lines, dynamic


def is_literal(packed_line: bytes) -> bool:
    """Whether it is a literal that is seen to be one; a few others are, too."""
    return _LITERAL.match(packed_line, NUMBER_SIZE) is not None


def _expression(kept: Kept, at: int) -> str | None:
    """The text of a line's expression; None if it is a literal, which speaks of nothing."""
    line = kept.lines.encrypted_line(at)
    if is_literal(line):
        return None
    text = as_text(line[NUMBER_SIZE:-1].partition(b"=")[2].strip(BLANKS))
    return text if isinstance(read_value(text), Expression) else None


def _all(kept: Kept, hidden: Set[int]) -> list[bytes]:
    return [kept.lines[at] for at in kept.shape.index.values() if at not in hidden]
