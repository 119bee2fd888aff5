"""Addresses for people: what routes have in common is written once, ``{a|b}`` where they differ.

Expanding a display form gives back the same routes in the same order, so this is only another way
to write an address; it is always printed quoted, as shells give braces a meaning of their own::

    address = route *( "," route )
    route   = [ network "/" ] item *( "/" item )
    item    = stage / "{" path *( "|" path ) "}"
    path    = item *( "/" item )

Expansion goes from left to right: the last group changes fastest.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import groupby
from operator import itemgetter
from sys import intern
from typing import Final

from glasnost.core.address.address import Address
from glasnost.core.address.limits import MAX_NESTING, MAX_ROUTES, MAX_STAGES, MAX_TEXT
from glasnost.core.address.route import PUBLIC, Route
from glasnost.core.address.spelling import moved
from glasnost.core.address.stage import Stage
from glasnost.errors import AddressError

#: The stages of some routes of one network, in their order.
Paths = list[tuple[Stage, ...]]

_WORD: Final = re.compile(r"[^{}|/,]*+")


# --- writing -------------------------------------------------------------------------------------


def display(address: Address) -> str:
    """The address in the display form, quoted.

    >>> display(Address.parse("lab/ip4:10.0.0.7:1/service:a,lab/ip6:[fd00::7]:1/service:a"))
    "'lab/{ip4:10.0.0.7:1|ip6:[fd00::7]:1}/service:a'"
    """
    parts = [
        f"{network}/{_factored([route.stages for route in routes])}"
        for network, routes in groupby(address, lambda route: route.network)
    ]
    return f"'{','.join(parts)}'"


def _factored(paths: Paths) -> str:
    """The shortest way we look for to write these paths; none of them is empty."""
    if len(paths) == 1:
        return _joined(paths[0])
    head = _common(paths)
    before, paths = paths[0][:head], [path[head:] for path in paths]
    tail = len(paths[0]) - _common([path[::-1] for path in paths])
    behind = paths[0][tail:]
    paths = [path[: len(path) - len(behind)] for path in paths]
    parts = [_joined(before), _product(paths) or _group(paths), _joined(behind)]
    return "/".join(filter(None, parts))


def _common(paths: Paths) -> int:
    """With how many stages all of these begin, each having another one behind them."""
    most = min(map(len, paths)) - 1
    first = paths[0]
    return next(
        (at for at in range(most) if any(path[at] != first[at] for path in paths)), max(most, 0)
    )


def _product(paths: Paths) -> str | None:
    """``{a|b}/{c|d}``: blocks that begin differently and go on alike; None if there are none."""
    for size in range(len(paths) // 2, 1, -1):
        if len(paths) % size:
            continue
        blocks = [paths[at : at + size] for at in range(0, len(paths), size)]
        heads = [_common(block) for block in blocks]
        rests = [[path[head:] for path in block] for block, head in zip(blocks, heads, strict=True)]
        if all(heads) and all(rest == rests[0] for rest in rests):
            firsts = [block[0][:head] for block, head in zip(blocks, heads, strict=True)]
            return f"{_group(firsts)}/{_factored(rests[0])}"
    return None


def _group(paths: Paths) -> str:
    """``{a|b}``: neighbours that begin alike are one alternative, or else those that end alike."""
    for end in (0, -1):
        runs = [list(run) for _, run in groupby(paths, itemgetter(end))]
        if 1 < len(runs) < len(paths):
            return _braced(map(_factored, runs))
    return _braced(map(_joined, paths))


def _braced(alternatives: Iterable[str]) -> str:
    return "{" + "|".join(alternatives) + "}"


def _joined(path: tuple[Stage, ...]) -> str:
    return "/".join([stage.text for stage in path])


# --- reading -------------------------------------------------------------------------------------


def parse_display(text: str) -> Address:
    """Read what `display` writes, and any address, with or without the quotes.

    >>> str(parse_display("{ip4:192.0.2.1:1|ip4:192.0.2.2:1}/service:a"))
    'public/ip4:192.0.2.1:1/service:a,public/ip4:192.0.2.2:1/service:a'
    """
    quote = text[:1] if text[:1] in ("'", '"') else ""
    end = len(text) - len(quote)
    if end > MAX_TEXT + len(quote):
        raise AddressError(text, MAX_TEXT + 1, f"an end within {MAX_TEXT} characters")
    if quote and (end < 1 or text[end] != quote):
        raise AddressError(text, len(text) + 1, f"the {quote} that ends the quotation")
    return _Expansion(text, len(quote), end).address()


class _Expansion:
    """Walks a display form once, and holds no more than an address may have."""

    def __init__(self, text: str, at: int, end: int) -> None:
        self._text = text
        self._at = at
        self._end = end
        self._stages: dict[str, Stage] = {}

    def address(self) -> Address:
        routes = self._routes()
        while self._take(","):
            start = self._at
            routes += self._routes()
            self._bound(len(routes), start)
        if self._at < self._end:
            raise self._error('"/", "," or the end of the address')
        return Address(tuple(routes))

    def _routes(self) -> list[Route]:
        network, start = PUBLIC, self._at
        word = self._word()
        if word and ":" not in word:
            network = word
            if not self._take("/"):
                raise self._error(f'"/" and a stage on network {network!r}')
        else:
            self._at = start
        paths = self._path(0)
        try:
            return [Route(intern(network), path) for path in paths]
        except AddressError as error:
            # Of what was expanded: there is no column of it in what was written.
            raise AddressError(self._text, start + 1, error.expected) from None

    def _path(self, depth: int) -> Paths:
        paths = self._item(depth)
        while self._take("/"):
            start = self._at
            items = self._item(depth)
            self._bound(len(paths) * len(items), start)
            paths = [one + other for one in paths for other in items]
            if max(map(len, paths)) > MAX_STAGES:
                raise AddressError(self._text, start + 1, f"at most {MAX_STAGES} stages in a route")
        return paths

    def _item(self, depth: int) -> Paths:
        if not self._take("{"):
            return [(self._stage(),)]
        if depth == MAX_NESTING:
            raise AddressError(self._text, self._at, f"groups at most {MAX_NESTING} deep")
        paths = self._path(depth + 1)
        while self._take("|"):
            start = self._at
            paths += self._path(depth + 1)
            self._bound(len(paths), start)
        if not self._take("}"):
            raise self._error('"/", "|" or "}"')
        return paths

    def _stage(self) -> Stage:
        start = self._at
        word = self._word()
        if (stage := self._stages.get(word)) is None:
            try:
                stage = self._stages[word] = Stage.parse(word)
            except AddressError as error:
                raise moved(error, self._text, start) from None
        return stage

    def _word(self) -> str:
        found = _WORD.match(self._text, self._at, self._end)
        assert found is not None, "nothing is a word, too"
        self._at = found.end()
        return found[0]

    def _take(self, character: str) -> bool:
        taken = self._at < self._end and self._text[self._at] == character
        self._at += taken
        return taken

    def _bound(self, count: int, start: int) -> None:
        if count > MAX_ROUTES:
            raise AddressError(self._text, start + 1, f"at most {MAX_ROUTES} routes")

    def _error(self, expected: str) -> AddressError:
        return AddressError(self._text, self._at + 1, expected)
