"""Routes as the talk writes them: ``public, (IPv4, 173.194.46.96, 80), (CCB, 381)``.

The talk has four kinds of stages and one route; here the other kinds keep their names, options
follow the arguments, and each route of an address has a line (or stands behind a ";")::

    address = route *( (newline / ";") route )
    route   = [ network "," ] stage *( "," stage )      ; no network: public
    stage   = "(" kind *( "," field ) ")"               ; blanks are free between these

A field is spelt as in an address, but the IPv6 literal of an IPv6 stage has no brackets. The
notation is rewritten as an address and read as one, so it has the same checks and limits.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import Final

from glasnost.core.address.address import Address
from glasnost.core.address.limits import MAX_NOTATION
from glasnost.core.address.route import PUBLIC, Route
from glasnost.core.address.spelling import fields
from glasnost.core.address.stage import Stage
from glasnost.errors import AddressError

#: The talk's names of the kinds, by ours.
NAMES: Final = {"ip4": "IPv4", "ip6": "IPv6", "ccb": "CCB", "service": "SharedPort"}

_KINDS: Final = {theirs: ours for ours, theirs in NAMES.items()}
_ROUTE: Final = re.compile(r"[^;\n]++")
_WORD: Final = re.compile(r"[^,();\n]*+")
_BLANKS: Final = re.compile(r"[^\S\n]*+")
#: What may stand between commas; no colon or slash, which would make two fields or stages of one.
_FIELD: Final = re.compile(r"[^:/\[\]]*+(?:\[[^/\[\]]*+\])?")


def notation(address: Address) -> str:
    """The address in the talk's notation, a line for each route.

    >>> notation(Address.parse("ip6:[2607:f388::1]:9618/service:startd"))
    'public, (IPv6, 2607:f388::1, 9618), (SharedPort, startd)'
    """
    return "\n".join(map(_route, address))


def parse_notation(text: str) -> Address:
    """Read what `notation` writes; an `AddressError` has the column in ``text``, over all lines.

    >>> str(parse_notation("(IPv4, 192.0.2.1, 80), (CCB, 381)"))
    'public/ip4:192.0.2.1:80/ccb:381'
    """
    if len(text) > MAX_NOTATION:
        raise AddressError(text, MAX_NOTATION + 1, f"an end within {MAX_NOTATION} characters")
    written = _Rewritten(text)
    for found in _ROUTE.finditer(text):
        if not found[0].isspace():
            written.route(found.start(), found.end())
    try:
        return Address.parse("".join(written.pieces))
    except AddressError as error:
        raise AddressError(text, written.column(error.column), error.expected) from None


def _route(route: Route) -> str:
    return ", ".join([route.network, *map(_stage, route.stages)])


def _stage(stage: Stage) -> str:
    words = fields(stage.text)
    words[0] = NAMES.get(stage.kind, stage.kind)
    if stage.kind == "ip6" and not stage.carried:
        words[1] = words[1].strip("[]")
    return f"({', '.join(words)})"


class _Rewritten:
    """A text in the notation, piece by piece as an address; each piece knows where it was."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.pieces: list[str] = []
        self._at: list[int] = []  # where each piece begins in the address
        self._from: list[tuple[int, int]] = []  # and where it begins and ends in the text
        self._size = 0

    def column(self, column: int) -> int:
        """The column in the text (from 1) of a column in the address."""
        if not self.pieces:
            return 1
        index = bisect_right(self._at, column - 1) - 1
        start, end = self._from[index]
        return min(start + column - 1 - self._at[index], end) + 1

    def route(self, at: int, end: int) -> None:
        """Rewrite the route that stands between two indices."""
        if self.pieces:
            self._put(",", at, at)
        at = self._skip(at)
        if self.text.startswith("(", at):
            self._put(PUBLIC, at, at)
        else:
            at = self._network(at)
        while True:
            self._put("/", at, at)
            at = self._skip(self._stage(at))
            if at == end:
                return
            at = self._skip(self._past(",", at, '"," and a stage, or the end of the route'))

    def _network(self, at: int) -> int:
        """The network, and the comma behind it; returns the index of what follows."""
        word, behind = self._word(at)
        if not word or ":" in word or "/" in word:
            raise self._error(at, "a network, or a stage in parentheses")
        self._put(word, at, at + len(word))
        return self._skip(self._past(",", behind, f'"," and a stage on network {word!r}'))

    def _stage(self, at: int) -> int:
        """One stage, and the parenthesis behind it; returns the index of what follows."""
        at = self._skip(self._past("(", at, "a stage in parentheses, such as (CCB, 381)"))
        word, behind = self._word(at)
        kind = _KINDS.get(word, word)
        self._field(kind, at)
        literal = kind == "ip6"  # the field that comes next
        while self.text.startswith(",", behind):
            at = self._skip(behind + 1)
            word, behind = self._word(at)
            self._put(":", at, at)
            bare = literal and ":" in word and not word.startswith("[")
            self._field(f"[{word}]" if bare else word, at)
            literal = False
        return self._past(")", behind, '"," and a field, or ")" at the end of the stage')

    def _field(self, word: str, at: int) -> None:
        if not _FIELD.fullmatch(word):
            raise self._error(at, "one field (other characters are written as %XX)")
        self._put(word, at, at + len(word))

    def _word(self, at: int) -> tuple[str, int]:
        """What stands here, and the index of what ends it."""
        found = _WORD.match(self.text, at)
        return ("", at) if found is None else (found[0].rstrip(), found.end())

    def _past(self, character: str, at: int, expected: str) -> int:
        if not self.text.startswith(character, at):
            raise self._error(at, expected)
        return at + 1

    def _skip(self, at: int) -> int:
        found = _BLANKS.match(self.text, at)
        return at if found is None else found.end()

    def _put(self, piece: str, start: int, end: int) -> None:
        self.pieces.append(piece)
        self._at.append(self._size)
        self._from.append((start, end))
        self._size += len(piece)

    def _error(self, at: int, expected: str) -> AddressError:
        return AddressError(self.text, at + 1, expected)
