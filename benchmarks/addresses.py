"""Reading and printing addresses, and what a stored one takes; against a plain ``str.split``.

The baseline splits the same texts at commas, slashes and colons, and joins them again: it checks
nothing, decodes nothing and gets brackets wrong. Nothing is cached; every address is another.
"""

from __future__ import annotations

import gc
import resource
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from benchmarks.figures import ROUNDS, Figure, process
from glasnost.core.address import Address

COUNT = 100_000

#: One route of three stages, with places for numbers below 256 and for what tells addresses apart.
ROUTES = {
    "IPv4": "public/ip4:203.0.{0}.{1}:9618/ccb:node{2}/service:jupyter-{2}",
    "IPv6": "public/ip6:[2001:db8:{0}:{1}::7]:9618/service:broker/ccb:node{2}",
    "with reach": "lab/ip4:10.1.{0}.{1}:9618/ccb:node{2}:reach=ip4@public+ip6@lab/service:db{2}",
}
#: Three routes to one service, as agents publish them: two to the broker it is behind, one direct.
PUBLISHED = (
    "public/ip4:203.0.{0}.{1}:9618/ccb:node{2}/service:jupyter-{2},"
    "public/ip6:[2001:db8:{0}:{1}::7]:9618/ccb:node{2}/service:jupyter-{2},"
    "lab/ip4:10.1.{0}.{1}:9618/service:host{2}/service:jupyter-{2}"
)
#: Three routes without a stage in common, for what sharing is worth.
APART = (
    "public/ip4:203.0.{0}.{1}:9618/ccb:node{2}/service:jupyter-{2},"
    "public/ip4:198.51.{0}.{1}:9618/ccb:gate{2}/service:backup-{2},"
    "lab/ip4:10.1.{0}.{1}:9618/ccb:home{2}/service:other-{2}"
)


def measure() -> list[Figure]:
    """Time of one address read and printed, and bytes of one that is kept."""
    figures = [
        Figure.of_pairs(f"address read and printed, {name}", "us", _times(route))
        for name, route in ROUTES.items()
    ]
    for name, three in (("as published", PUBLISHED), ("nothing shared", APART)):
        ours, split = (_memory(three, keep) for keep in ("address", "split"))
        figures.append(Figure(f"address of three routes kept, {name}", "bytes", [ours], [split]))
    return figures


def texts(pattern: str) -> Iterator[str]:
    """`COUNT` different ones."""
    return (pattern.format(n >> 8 & 255, n & 255, n) for n in range(COUNT))


def _times(pattern: str) -> list[tuple[float, float]]:
    given = list(texts(pattern))
    return [(_time(_parse_str, given), _time(_split_join, given)) for _ in range(ROUNDS)]


def _time(work: Callable[[str], str], given: list[str]) -> float:
    """Microseconds for one of the texts, with the collector running as it does in earnest."""
    gc.collect()
    begun = time.perf_counter()
    for text in given:
        work(text)
    return (time.perf_counter() - begun) / len(given) * 1e6


def _split(text: str) -> list[list[list[str]]]:
    return [[stage.split(":") for stage in route.split("/")] for route in text.split(",")]


def _split_join(text: str) -> str:
    return ",".join("/".join(":".join(stage) for stage in route) for route in _split(text))


def _parse_str(text: str) -> str:
    return str(Address.parse(text))


def _memory(pattern: str, keep: str) -> float:
    """Bytes that a fresh process grows by for each one that it keeps, all overheads included."""
    with process(_keep, pattern, keep) as (_, grown):
        return float(grown) / COUNT


def _keep(pipe: Connection, pattern: str, keep: str) -> None:
    made: Callable[[str], Any] = {"address": Address.parse, "split": _split}[keep]
    made(next(texts(pattern)))
    gc.collect()
    before = _resident()
    kept = [made(text) for text in texts(pattern)]
    gc.collect()
    pipe.send(_resident() - before)
    del kept


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
