"""``glasnost watch``: what has a name in this pool, and what changes."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import select
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Final

import click

from glasnost.cli import common
from glasnost.cli.ls import as_dict, full_glob
from glasnost.cli.output import note, say, say_line, say_wrapped
from glasnost.cli.selectors import SELECTOR
from glasnost.core.protocols.selector import Term
from glasnost.core.protocols.views import Appeared, Away, Back, Changed, Gone, News, Present
from glasnost.core.wire.messages import Record
from glasnost.node import Node

_STDOUT: Final = 1
#: Below a name.
_INDENT: Final = " " * len("00:00:00 ~ ")


@click.command()
@click.argument("glob", default="*")
@click.option(
    "--label",
    "--selector",
    "selectors",
    type=SELECTOR,
    multiple=True,
    help="Only these labels: key=value, key!=value, key, !key, with commas between.",
)
@common.as_json
def watch(glob: str, selectors: tuple[tuple[Term, ...], ...], json: bool) -> int:
    """Show the names that match GLOB, then what changes.

    GLOB is of `service.node`; it goes on until Ctrl-C.

    \b
      = is there    + appeared    ~ changed    - is gone
      ! a directory is away, or back

    A name is gone when no directory has it any more. After a directory was away, what was missed
    is shown. With --json, an object a line.
    """
    terms = tuple(str(term) for selector in selectors for term in selector)
    try:
        return common.run_async(_until_nobody_reads(_watch(glob, terms, json)))
    except KeyboardInterrupt:
        return 0


async def _watch(glob: str, terms: tuple[str, ...], json: bool) -> None:
    async with Node() as node:
        domain = (await node.agent()).domain
        tell: Callable[[News], None] = _Json() if json else _Text(domain)
        async for news in node.watch(*terms, glob=full_glob(glob, domain)):
            tell(news)


async def _until_nobody_reads(work: Coroutine[Any, Any, None]) -> int:
    """Run until whoever reads our output has gone: else it would be noticed by writing only, and
    there may be nothing to write for long."""
    loop = asyncio.get_running_loop()
    working = asyncio.ensure_future(work)
    gone = False

    def leave() -> None:
        nonlocal gone
        gone = True
        working.cancel()

    def wait() -> None:
        poll = select.poll()
        poll.register(_STDOUT, 0)  # of errors and hang-ups one is told without asking
        poll.poll()
        with contextlib.suppress(RuntimeError):  # the loop has been closed
            loop.call_soon_threadsafe(leave)

    threading.Thread(target=wait, daemon=True).start()
    try:
        await working
    except asyncio.CancelledError:
        if not gone:
            raise
    return 1


class _Text:
    """Tells a person: when, a mark, the name, and what there is to say of it."""

    def __init__(self, domain: str) -> None:
        self._domain = domain
        self._width = 0

    def __call__(self, news: News) -> None:
        match news:
            case Present(records):
                self._width = max((len(self._short(one.name)) for one in records), default=0)
                for record in records:
                    self._line("=", record.name, _described(record))
                if not records:
                    note("nothing fits now")
            case Appeared(record):
                self._line("+", record.name, _described(record))
            case Changed(before, record, what):
                self._line("~", record.name, ", ".join(_told(before, record, what)))
                if "address" in what:
                    self._routes(before, record)
            case Gone(record, why):
                self._line("-", record.name, why)
            case Away(directory, why):
                first = why.partition("\n")[0]  # the others name every route to it
                self._line("!", directory, f"is away: {first}")
            case Back(directory):
                self._line("!", directory, "is back")

    def _line(self, mark: str, name: str, text: str) -> None:
        now = datetime.datetime.now().strftime("%H:%M:%S")
        say_wrapped(f"{now} {mark} {self._short(name).ljust(self._width)}  {text}")

    def _routes(self, before: Record, record: Record) -> None:
        """Those that one of them has and the other has not."""
        old, new = before.address.split(","), record.address.split(",")
        for route in old:
            if route not in new:
                say(f"{_INDENT}- {route}")
        for route in new:
            if route not in old:
                say(f"{_INDENT}+ {route}")

    def _short(self, name: str) -> str:
        return name.removesuffix(f".{self._domain}")


class _Json:
    """Tells a program."""

    def __call__(self, news: News) -> None:
        at = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
        for one in self._dicts(news):
            say_line({"at": at, **one})

    def _dicts(self, news: News) -> Iterator[dict[str, Any]]:
        match news:
            case Present(records):
                for record in records:
                    yield _event("present", record)
                yield {"event": "ready", "count": len(records)}
            case Appeared(record):
                yield _event("appeared", record)
            case Changed(before, record, what):
                yield _event("changed", record) | {"what": list(what), "before": as_dict(before)}
            case Gone(record, why):
                yield _event("gone", record) | {"why": why}
            case Away(directory, why):
                yield {"event": "away", "directory": directory, "why": why}
            case Back(directory):
                yield {"event": "back", "directory": directory}


def _event(event: str, record: Record) -> dict[str, Any]:
    return {"event": event, "name": record.name, "record": as_dict(record)}


def _described(record: Record) -> str:
    routes = record.address.count(",") + 1
    labels = f", {_labels(record)}" if record.labels else ""
    return f"{record.protection}, {routes} route{'' if routes == 1 else 's'}{labels}"


def _told(before: Record, record: Record, what: tuple[str, ...]) -> Iterator[str]:
    """What is different, in a few words each."""
    for one in what:
        match one:
            case "address":
                yield "other routes"
            case "labels":
                yield f"labels {_labels(record)}, were {_labels(before)}"
            case "reach":
                yield f"reaches {_reach(record)}, did {_reach(before)}"
            case _:
                yield f"{one} {getattr(record, one)}, was {getattr(before, one)}"


def _labels(record: Record) -> str:
    return " ".join(f"{key}={value}" for key, value in sorted(record.labels.items())) or "none"


def _reach(record: Record) -> str:
    return "unknown" if record.reach is None else " ".join(record.reach) or "nothing"
