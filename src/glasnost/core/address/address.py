"""The routes of one endpoint, in the owner's order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from glasnost.core.address.graph import Graph, build
from glasnost.core.address.limits import MAX_ROUTES, MAX_TEXT
from glasnost.core.address.route import Route
from glasnost.core.address.spelling import moved
from glasnost.core.address.stage import Stage
from glasnost.errors import AddressError

_SIZE: Final = f"an address of 1 to {MAX_ROUTES} routes"


@dataclass(frozen=True, slots=True, repr=False)
class Address:
    """The routes of one endpoint, in the owner's order.

    >>> len(Address.parse("public/ip4:192.0.2.1:9618,lab/ip4:10.0.0.7:9618"))
    2
    """

    routes: tuple[Route, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.routes) <= MAX_ROUTES:
            raise AddressError(str(self), 1, _SIZE)

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read what ``str()`` writes; an `AddressError` says the column and what it expected."""
        if len(text) > MAX_TEXT:
            raise AddressError(text, MAX_TEXT + 1, f"an end within {MAX_TEXT} characters")
        words = text.split(",")
        if len(words) > MAX_ROUTES:  # before any work is done for them
            raise AddressError(text, 1, _SIZE)
        routes: list[Route] = []
        stages: dict[str, Stage] = {}
        start = 0
        for word in words:
            try:
                routes.append(Route.parse_sharing(word, stages))
            except AddressError as error:
                raise moved(error, text, start) from None
            start += len(word) + 1
        return cls(tuple(routes))

    def graph(self) -> Graph:
        """The routes as a graph in which they share what they have in common."""
        return build(self.routes)

    def __iter__(self) -> Iterator[Route]:
        return iter(self.routes)

    def __len__(self) -> int:
        return len(self.routes)

    def __str__(self) -> str:
        return ",".join(map(str, self.routes))

    def __repr__(self) -> str:
        return f"Address.parse({str(self)!r})"
