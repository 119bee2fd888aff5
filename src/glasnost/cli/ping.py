"""``glasnost ping NAME``: is it reached, by which path, and which stage takes how long."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator, Sequence
from statistics import median

import click

from glasnost.apps.ping import Pinged, ping_each, ping_once
from glasnost.cli import common
from glasnost.cli.output import complain, say, say_line, say_wrapped, table
from glasnost.core.routes import Trace
from glasnost.core.text import milliseconds
from glasnost.core.wire.messages import Record
from glasnost.errors import GlasnostError
from glasnost.node import Node
from glasnost.roles.dialler import CONNECT_TIMEOUT
from glasnost.stages import service

#: Said below times that may surprise.
_HEADERS = "no header is waited for: its answer comes with what is waited for next"


@click.command()
@click.argument("name")
@click.option("--all", "each", is_flag=True, help="Try every path, one after the other.")
@click.option(
    "--count", type=click.IntRange(min=1), default=1, show_default=True, help="How many times."
)
@click.option(
    "--interval",
    type=common.SECONDS,
    default=1.0,
    show_default=True,
    help="Seconds from one beginning to the next.",
)
@click.option(
    "--timeout",
    type=common.SECONDS,
    default=CONNECT_TIMEOUT,
    show_default=True,
    help="Seconds for one try; with --all, for each path.",
)
@common.as_json
def ping(name: str, each: bool, count: int, interval: float, timeout: float, json: bool) -> int:
    """Reach NAME, and show which stage took how long.

    It is reached as by any program: the best paths race, and the first that is accepted wins. The
    service sees a caller who leaves without a byte.

    Status 0: it was reached, at least once. With --json, an object a line.
    """
    told = _Json(count) if json else _Text(count)
    try:
        common.run_async(_pings(name, each, interval, timeout, told))
    finally:  # also after Ctrl-C
        told.sum_up()
    if any(one.reached for one in told.pings):
        return 0
    last = told.pings[-1]
    unused = [f"  not used: {one}" for one in last.discarded]
    complain("\n".join([last.why or f"{name} was not reached", *unused]))
    return 1


async def _pings(name: str, each: bool, interval: float, timeout: float, told: _Told) -> None:
    loop = asyncio.get_running_loop()
    async with Node() as node:
        full = node.name(name)
        while True:
            begun, clock = loop.time(), time.perf_counter()
            try:
                record, left = await node.resolve(full, timeout)
                told.found(full, time.perf_counter() - clock)
                told.end(await (_each if each else _race)(node, record, left, told))
            except GlasnostError as error:
                told.end(Pinged(why=str(error)))
            if len(told.pings) == told.count:
                return
            await asyncio.sleep(begun + interval - loop.time())


async def _race(node: Node, record: Record, timeout: float, told: _Told) -> Pinged:
    found = await ping_once(node, record, timeout)
    for trace in found.tried:
        told.trace(trace)
    return found


async def _each(node: Node, record: Record, timeout: float, told: _Told) -> Pinged:
    """Each path is told of as soon as it is known what came of it."""
    traces, discarded = [], []
    async for one in ping_each(node, record, timeout):
        if isinstance(one, Trace):
            told.trace(one)
            traces.append(one)
        else:
            discarded.append(one)
    return Pinged(tuple(traces), tuple(discarded))


class _Told:
    """Who is told, and of what so far."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.pings: list[Pinged] = []

    def found(self, full: str, seconds: float) -> None:
        """The record is there, after so long."""

    def trace(self, trace: Trace) -> None:
        """What came of one path."""

    def end(self, ping: Pinged) -> None:
        """What came of a whole ping."""
        self.pings.append(ping)

    def sum_up(self) -> None:
        """There will be no more."""


class _Json(_Told):
    """Tells a program: an object for each ping."""

    def found(self, full: str, seconds: float) -> None:
        self._found = {"name": full, "looked_up": round(seconds, 6)}

    def end(self, ping: Pinged) -> None:
        super().end(ping)
        found = {} if ping.why else self._found
        say_line({"ping": len(self.pings), **found, **ping.as_dict()})


class _Text(_Told):
    """Tells a person: of one ping every stage at once; of several a line each, and in the end what
    the stages of each path took."""

    def found(self, full: str, seconds: float) -> None:
        if not self.pings:
            say(f"{full}, looked up in {milliseconds(seconds)}")

    def trace(self, trace: Trace) -> None:
        if self.count == 1:
            show_traces([trace])
        else:
            say_wrapped(f"{len(self.pings) + 1:4}  {_came_of(trace)}")

    def end(self, ping: Pinged) -> None:
        super().end(ping)
        if self.count > 1 and not ping.tried:
            say_wrapped(f"{len(self.pings):4}  {ping.why or 'no path leads there'}")

    def sum_up(self) -> None:
        if self.count == 1 or not self.pings:
            return
        times = [one.reached.seconds for one in self.pings if one.reached]
        took = [f"{word} {time}" for word, time in zip(_heads(times), _columns(times), strict=True)]
        pings = "1 ping" if len(self.pings) == 1 else f"{len(self.pings)} pings"
        say(", ".join([pings, f"{len(times)} reached", *took]))
        for traces in _alike(trace for one in self.pings for trace in one.tried if not trace.why):
            show_traces(traces)


def show_traces(traces: Sequence[Trace]) -> None:
    """What the stages of one path took, once or several times; the last trace says how it went."""
    last = traces[-1]
    path = last.path
    say()
    say_wrapped(f"route {path.route_number}, {path.how}: {path.route}")
    rows = [
        [str(span.number) if span.number > 0 else "exit", span.stage, span.deed, *times]
        for span, times in zip(last.spans, _times(traces), strict=True)
    ]
    took = [trace.seconds for trace in traces]
    rows.append(["", "", "failed" if last.why else "reached", *_columns(took)])
    say(table(["", "stage", "", *_heads(took)], rows, right=3))
    if last.why:
        say_wrapped(f"  {last.failure}")
    elif any(span.deed == service.SERVICE.deed for span in last.spans):
        say_wrapped(f"({_HEADERS})")


def _times(traces: Sequence[Trace]) -> Iterator[list[str]]:
    """By span, which all of them have in common."""
    for spans in zip(*(trace.spans for trace in traces), strict=True):
        yield _columns([span.seconds for span in spans])


def _heads(times: Sequence[float]) -> list[str]:
    """What stands above `_columns`."""
    return ["min", "median", "max"] if len(times) > 1 else ["took"][: len(times)]


def _columns(times: Sequence[float]) -> list[str]:
    """Times, as few as say something of all of them."""
    spread = (min(times), median(times), max(times)) if len(times) > 1 else times
    return [milliseconds(each) for each in spread]


def _alike(traces: Iterable[Trace]) -> list[list[Trace]]:
    """Together those that took one path and did the same there."""
    groups: dict[object, list[Trace]] = {}
    for trace in traces:
        did = tuple((span.number, span.deed) for span in trace.spans)
        groups.setdefault((trace.path, did), []).append(trace)
    return list(groups.values())


def _came_of(trace: Trace) -> str:
    """In a line."""
    if trace.why:
        return str(trace)
    path = trace.path
    return f"{milliseconds(trace.seconds):>9}  route {path.route_number}, {path.how}"
