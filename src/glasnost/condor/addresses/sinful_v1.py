"""The v1 notation: a list of routes in braces, each a list of attributes.

Reads and writes routes; how an address unfolds to routes, and folds again, is in `folding`. The
grammar is as rigid as HTCondor's reader: single blanks, a fixed order at the beginning.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from glasnost.condor.addresses.limits import (
    MAX_PORT_NUMBER,
    MAX_V1_NAME,
    MAX_V1_ROUTES,
    MAX_V1_TEXT,
)
from glasnost.errors import SinfulError

PRIMARY: Final = "primary"
#: What v1 calls the network that is not private.
INTERNET: Final = "Internet"

_NAME: Final = rf'"(\S{{0,{MAX_V1_NAME}}})"; '
_SIZE: Final = f"of at most {MAX_V1_NAME} characters, none of them blank"
#: What every route begins with, in this order.
_HEAD: Final = (
    (re.compile(r'\[ p="(primary|IPv4|IPv6)"; '), '[ p="PROTOCOL"; with primary, IPv4 or IPv6'),
    (re.compile(f"a={_NAME}", re.ASCII), f'a="HOST"; {_SIZE}'),
    (re.compile(r"port=([+-]?[0-9]{1,10}); "), "port=NUMBER; "),
    (re.compile(f"n={_NAME}", re.ASCII), f'n="NETWORK"; {_SIZE}'),
)
#: A value is one word. It may hold quotes, as it ends at the semicolon before a blank.
_MORE: Final = re.compile(
    r'(?P<name>[^\s\]="]*+)=(?:"(?P<text>[^\s\]]*)"|(?P<bare>[^\s\]";][^\s\]]*)); ', re.ASCII
)
_TEXTS: Final = ("alias", "spid", "ccbid", "ccbspid")
#: What v1 takes for the id at a broker: HTCondor reads a number, and none of more digits.
CONTACT_ID: Final = re.compile(r"[0-9]{1,18}")
_INDEX: Final = re.compile(r"-?[0-9]{1,9}")
_UNFIT: Final = re.compile("[\0\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class RouteV1:
    """One route as v1 has it; empty texts stand for what is not said. ``others`` are unknown."""

    protocol: str
    host: str
    port: int
    network: str = INTERNET
    alias: str = ""
    spid: str = ""
    ccbid: str = ""
    ccbspid: str = ""
    no_udp: bool = False
    broker: int | None = None
    others: tuple[str, ...] = ()

    def __str__(self) -> str:
        words = [
            f'p="{self.protocol}"',
            f'a="{self.host}"',
            f"port={self.port}",
            f'n="{self.network}"',
            *(f'{name}="{value}"' for name in _TEXTS if (value := getattr(self, name))),
            *(["noUDP=true"] if self.no_udp else []),
            *([] if self.broker is None else [f"brokerIndex={self.broker}"]),
        ]
        return f"[ {'; '.join(words)}; ]"


def write_v1(routes: Iterable[RouteV1]) -> str:
    """Write routes. A value that v1 cannot hold makes a text that nobody reads: see `to_v1`."""
    return "{" + ", ".join(map(str, routes)) + "}"


def read_v1(text: str) -> tuple[RouteV1, ...]:
    """Read routes; a `SinfulError` says the column and what it expected."""
    if len(text) > MAX_V1_TEXT:
        raise SinfulError(text, MAX_V1_TEXT + 1, f"an end within {MAX_V1_TEXT} characters")
    if unfit := _UNFIT.search(text):
        raise SinfulError(text, unfit.start() + 1, "a character that UTF-8 and C can express")
    routes: list[RouteV1] = []
    end = 1
    # HTCondor is as lax about what stands between routes and behind them as it is rigid in them.
    while (at := text.find("[", end)) >= 0:
        if len(routes) == MAX_V1_ROUTES:
            raise SinfulError(text, at + 1, f"no more than {MAX_V1_ROUTES} routes")
        route, end = _route(text, at)
        routes.append(route)
    if not routes:
        raise SinfulError(text, min(2, len(text) + 1), 'a route, which begins with "[ p="')
    if text.find("}", end) < 0:
        raise SinfulError(text, len(text) + 1, '"}" at the end')
    return tuple(routes)


def _route(text: str, at: int) -> tuple[RouteV1, int]:
    """The route that begins at ``at``, and where it ends."""
    head: list[str] = []
    for pattern, expected in _HEAD:
        found = pattern.match(text, at)
        if found is None:
            raise SinfulError(text, at + 1, expected)
        if len(head) == 2 and abs(int(found[1])) > MAX_PORT_NUMBER:
            raise SinfulError(text, at + 1, f"a port of at most {MAX_PORT_NUMBER}")
        head.append(found[1])
        at = found.end()
    protocol, host, port, network = head
    more: dict[str, Any] = {}
    others = []
    while not text.startswith("]", at):
        found = _MORE.match(text, at)
        if found is None:
            raise SinfulError(text, at + 1, '"]", or NAME="TEXT"; and one blank')
        known = _known(found["name"], found["text"], found["bare"])
        if known is None:
            raise SinfulError(text, at + 1, "noUDP=true, brokerIndex=NUMBER or a text in quotes")
        more.update(known)
        if not known:
            others.append(found["name"])
        at = found.end()
    route = RouteV1(protocol, host, int(port), network, others=tuple(others), **more)
    if route.ccbid and route.broker is None:  # this is one of those that crash HTCondor
        raise SinfulError(text, at + 1, "brokerIndex=NUMBER; as there is a ccbid")
    return route, at + 1


def _known(name: str, value: str | None, bare: str | None) -> dict[str, Any] | None:
    """What an attribute says: nothing if it is unknown; None if it says something impossible."""
    if name in _TEXTS:
        if value is None or (name == "ccbid" and value and not CONTACT_ID.fullmatch(value)):
            return None
        return {name: str(int(value)) if name == "ccbid" and value else value}
    if name == "noUDP":
        return {"no_udp": True} if bare == "true" else None
    if name == "brokerIndex":
        if bare is None or not _INDEX.fullmatch(bare):
            return None
        return {"broker": int(bare) if int(bare) >= 0 else None}
    return {}
