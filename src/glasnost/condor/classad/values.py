"""Values of attributes: Python's own where the text is a literal, and the text where it is not.

The text is in the old syntax, which knows one escape: ``\"`` in a string is a quote. A backslash
before anything else is a backslash.
"""

from __future__ import annotations

import enum
import math
import re
from typing import Final

#: What integers are to HTCondor. It reads larger ones as some other number; here they stay text.
_MIN_INT, _MAX_INT = -(2**63), 2**63 - 1

_DIGITS: Final = re.compile(r"-?(?:0|[1-9][0-9]*)")
_REAL: Final = re.compile(r"-?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


class Expression(str):
    """The text of something that is no literal: it would have to be evaluated."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"Expression({str(self)!r})"


class ErrorValue(enum.Enum):
    """The type of ClassAds' ``error``, of which there is one."""

    ERROR = "error"

    def __repr__(self) -> str:
        return "ERROR"


ERROR: Final = ErrorValue.ERROR

#: None is ClassAds' ``undefined``.
Value = str | int | float | bool | ErrorValue | None

_WORDS: Final[dict[str, Value]] = {
    "true": True,
    "false": False,
    "undefined": None,
    "error": ERROR,
}


def read_value(text: str) -> Value:
    r"""What the text of an expression, without blanks around it, says.

    >>> read_value(r'"x\"y\z"'), read_value("-3"), read_value("TRUE"), read_value("A + B")
    ('x"y\\z', -3, True, Expression('A + B'))
    """
    if text[:1] == '"':
        inner = text[1:-1]
        if len(text) > 1 and text[-1] == '"' and '"' not in inner.replace('\\"', ""):
            return inner.replace('\\"', '"')
        return Expression(text)
    if text[:1] in "-.0123456789" and text[-1:] in "0123456789":
        return _number(text)
    return _WORDS.get(text.lower(), Expression(text))


def write_value(value: Value) -> str:
    r"""The text of a value; what has none is a `ValueError`.

    >>> write_value('x"y\\z'), write_value(2.5), write_value(None), write_value(True)
    ('"x\\"y\\z"', '2.5', 'undefined', 'true')
    """
    match value:
        case Expression():
            if "\0" in value or not value.strip():
                raise ValueError("an expression has text, and no zero byte")
            return str(value)
        case str():
            if "\0" in value:
                raise ValueError("a ClassAd's text cannot hold a zero byte")
            return '"' + value.replace('"', '\\"') + '"'
        case bool():
            return "true" if value else "false"
        case int():
            if not _MIN_INT <= value <= _MAX_INT:
                raise ValueError(f"{value} does not fit into 64 bits")
            return str(value)
        case float():
            return _write_real(value)
        case None:
            return "undefined"
        case ErrorValue():
            return "error"


def read_list(text: str) -> list[Value] | None:
    """The members of a list of literals; None where the text is no such list.

    >>> read_list('{ 1,"a, b",true }')
    [1, 'a, b', True]
    """
    text = text.strip()
    if text[:1] != "{" or text[-1:] != "}":
        return None
    inner = text[1:-1].strip()
    if not inner:
        return []
    values = [read_value(member.strip()) for member in _members(inner)]
    return None if any(isinstance(value, Expression) for value in values) else values


def _members(inner: str) -> list[str]:
    """The text between the commas that stand in no string."""
    members: list[str] = []
    pieces: list[str] = []
    open_string = False
    for piece in inner.split(","):
        pieces.append(piece)
        open_string ^= piece.replace('\\"', "").count('"') % 2 == 1
        if not open_string:
            members.append(",".join(pieces))
            pieces.clear()
    return [*members, ",".join(pieces)] if pieces else members


def _number(text: str) -> Value:
    if _DIGITS.fullmatch(text):
        number = int(text) if len(text) <= 20 else _MAX_INT + 1
        return number if _MIN_INT <= number <= _MAX_INT else Expression(text)
    if _REAL.fullmatch(text) and math.isfinite(real := float(text)):
        return real
    return Expression(text)


def _write_real(value: float) -> str:
    """A call where there are no digits, as HTCondor writes it; it reads back as an expression."""
    if math.isfinite(value):
        return repr(value).upper()
    return 'real("NaN")' if math.isnan(value) else f'real("{"-" if value < 0 else ""}INF")'
