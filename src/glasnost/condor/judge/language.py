"""HTCondor's ClassAd library, as far as a collector needs it.

It is imported when it is needed (100 ms, 15 MB), and works on text: rows of lines as
`condor.collector.work` makes them.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from functools import cache, lru_cache
from typing import Any, Final

from glasnost.condor.classad import Ad, ErrorValue, Expression
from glasnost.errors import Refused

#: Longer expressions are looked at each time: they are rare, and would fill the memory.
_REMEMBERED: Final = 1024

NOT_HERE: Final = 'without the extra "condor", Requirements may be true or Name == "..." only'


def is_here() -> bool:
    """Whether the extra is installed."""
    return importlib.util.find_spec("classad2") is not None


def parses(text: str) -> bool:
    """Whether this is an expression. An ad in which one is not breaks every answer it is in."""
    return _parses(text) if len(text) <= _REMEMBERED else _parse(text) is not None


def evaluate(expression: str, rows: Iterable[bytes]) -> list[bool]:
    """For each row whether the expression holds there: whether it is true or a number but 0.

    An expression that is none is `Refused`.
    """
    condition = _parse(expression)
    if condition is None:
        raise Refused("requirements", f"this is no expression: {expression[:100]}")
    return [_holds(condition, row) for row in rows]


def _holds(condition: Any, row: bytes) -> bool:
    try:
        value = condition.eval(_ad(row))
    except (_library().ClassAdException, ValueError, OverflowError):
        return False  # a result that Python has no value for is neither true nor a number
    # (Undefined and error are members of an IntEnum.)
    return isinstance(value, int | float) and not isinstance(value, _library().Value) and value != 0


@cache
def _library() -> Any:
    if not is_here():
        raise Refused("requirements", NOT_HERE)
    import classad2

    # The first text that it reads may have numbers that it refuses ever after (01).
    classad2.parseNext("A = 1\n", classad2.ParserType.Old)
    return classad2


@lru_cache(maxsize=16384)
def _parses(text: str) -> bool:
    return _parse(text) is not None


def _parse(text: str) -> Any:
    """The expression; None if it is none.

    In brackets, or what stands behind it would be ignored. Line breaks are blanks to the language,
    and ends to this parser of lines.
    """
    ad = _read(f"R = ({_clean(text)})\n")
    return None if ad is None else ad.lookup("R")


def _read(lines: str) -> Any:
    library = _library()
    try:
        return library.parseNext(lines, library.ParserType.Old)
    except library.ClassAdException:
        return None


def _ad(row: bytes) -> Any:
    """The ad of a row's lines."""
    if not row:
        return _library().ClassAd()
    if b"\n" not in row:
        ad = _read(row.replace(b"\0", b"\n").decode("utf-8", "replace") + "\n")
        if ad is not None:
            return ad
    return _ad_line_by_line(row)


def _ad_line_by_line(row: bytes) -> Any:
    """With texts that have line breaks, and without what cannot be read."""
    library = _library()
    ad = library.ClassAd()
    for name, value in Ad.from_lines(row.split(b"\0")).items():
        if isinstance(value, Expression):
            tree = _parse(value)
            if tree is not None:
                ad[_clean(name)] = tree
        elif isinstance(value, ErrorValue):
            ad[_clean(name)] = library.Value.Error
        else:
            ad[_clean(name)] = _utf8(value) if isinstance(value, str) else value
    return ad


def _clean(text: str) -> str:
    return _utf8(text).replace("\n", " ")


def _utf8(text: str) -> str:
    """Without the bytes that are none, which the library cannot be given."""
    return text.encode("utf-8", "replace").decode()
