"""Reads the return routes of a request: which may be dialled, and why the others may not.

A return route is one literal IP address with a port, then at most one service.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from glasnost.core.address import Route, Stage
from glasnost.core.dialpolicy import Network, why_not
from glasnost.errors import AddressError

#: Return routes looked at per request: as many as a broker passes on, and as one race needs.
MAX_RETURNS: Final = 16
#: Return routes whose judgement is remembered, since a requester sends the same ones with each
#: request: those of some hundred clients, 1 MB at worst.
_REMEMBERED: Final = 1024


@dataclass(frozen=True, slots=True)
class Return:
    """One return route that may be dialled: a literal, a port, and who is called there (empty:
    whoever holds the reply name)."""

    host: str
    port: int
    service: str = ""


def choose(texts: Sequence[str], own: Sequence[Network]) -> tuple[list[Return], list[str]]:
    """The return routes that may be dialled, in their order, and a sentence for each other one.

    On which network a route begins is the requester's word and decides nothing here: it has seen
    where we can dial to, and sends what fits.
    """
    here = tuple(own)
    allowed: list[Return] = []
    refused: list[str] = []
    for number, text in enumerate(texts[:MAX_RETURNS], 1):
        found = _judge(text, here)
        if isinstance(found, Return):
            allowed.append(found)
        else:
            refused.append(f"return route {number}: {found}")
    return allowed, refused


@lru_cache(_REMEMBERED)
def _judge(text: str, own: tuple[Network, ...]) -> Return | str:
    try:
        route = Route.parse(text)
    except AddressError as error:
        return f"not a route: {error}"
    origin, rest = route.stages[0], route.stages[1:]
    if origin.kind not in ("ip4", "ip6") or not _is_plain(origin):
        return "it must begin with an IP address and a port"
    if len(rest) > 1 or any(stage.kind != "service" or not _is_plain(stage) for stage in rest):
        return "after its address there may be one service, and nothing else"
    host, port = origin.args
    why = why_not(host, own)
    return why or Return(host, int(port), rest[0].args[0] if rest else "")


def _is_plain(stage: Stage) -> bool:
    """All of it understood; options that may be ignored are."""
    return not stage.carried and not stage.critical
