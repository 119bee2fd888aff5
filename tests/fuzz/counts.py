"""How many examples each parser was given, and what came of them: the table of `make fuzz`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

import msgspec


class Count(msgspec.Struct):
    """Of one parser."""

    examples: int = 0
    taken: int = 0
    seconds: float = 0.0


COUNTS: defaultdict[str, Count] = defaultdict(Count)


def table(counts: Mapping[str, Count]) -> Iterator[str]:
    """Lines for people."""
    width = max(map(len, counts), default=6)
    yield f"{'parser':{width}}  {'examples':>10}  {'taken':>10}  {'seconds':>8}"
    for name, count in counts.items():
        yield f"{name:{width}}  {count.examples:10,}  {count.taken:10,}  {count.seconds:8.1f}"
