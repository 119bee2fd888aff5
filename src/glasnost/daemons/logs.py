"""What a daemon says on standard error: one line per event, for people or for programs.

A line is a sentence, and behind it the facts of the event (`core.text.facts`) as ``key=value``; or
both as a JSON object. Under systemd it begins with the priority that journald takes off again.
What happens too often is counted instead of written, so that nobody can fill a disk by being
refused.
"""

from __future__ import annotations

import logging
import math
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TextIO

import msgspec

from glasnost.core.text import printable

Style = Literal["text", "json"]

#: Of one kind of event, so many lines are written in so many seconds; the rest is counted. 20 show
#: what is going on, and at 200 bytes a line, 5 MB a day for each kind is the most there can be.
BURST: Final = 20
WINDOW: Final = 60.0
#: Kinds of events told apart: what our own code can say. (Peers cannot make new ones.)
_KINDS: Final = 1000

#: What <syslog.h> calls our levels.
_PRIORITIES: Final = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3}


def set_up(style: Style = "text", level: str = "info") -> Lines:
    """Have everything logged to standard error."""
    handler = Lines(sys.stderr, every=level == "debug")
    handler.setFormatter(formatter(style, sys.stderr, detailed=level == "debug"))
    logging.basicConfig(handlers=[handler], level=level.upper())
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    return handler


def formatter(style: Style, stream: TextIO, *, detailed: bool = False) -> logging.Formatter:
    """How lines look on this stream."""
    line = _Json() if style == "json" else _Text()
    if _is_journal(stream):
        return _Journal(line)
    if style == "text":
        if stream.isatty() and not detailed:  # somebody looks on, who knows which day it is
            line.before, line.datefmt = "%(asctime)s ", "%H:%M:%S"
        else:
            line.before = "%(asctime)s %(levelname)-7s "
    return line


class _Text(logging.Formatter):
    """``glasnost.port: refused: no service 'x' is registered here  code=no-service``"""

    before = ""

    def format(self, record: logging.LogRecord) -> str:
        record.asctime = self.formatTime(record, self.datefmt)
        facts = "".join(f" {key}={_word(value)}" for key, value in _facts(record).items())
        line = printable(f"{self.before % vars(record)}{record.name}: {record.getMessage()}", "")
        return line + (" " + facts if facts else "") + _trace(self, record)


class _Json(logging.Formatter):
    """One object: when, how bad, where, the sentence, and the facts."""

    before = ""

    def format(self, record: logging.LogRecord) -> str:
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        said = {
            "time": f"{at}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": printable(record.getMessage()),
            **{key: _plain(value) for key, value in _facts(record).items()},
        }
        if trace := _trace(self, record):
            said["trace"] = trace.strip()
        return msgspec.json.encode(said).decode()


class _Journal(logging.Formatter):
    """Journald knows when and who; it wants to know how bad, at the beginning of each line."""

    def __init__(self, line: logging.Formatter) -> None:
        super().__init__()
        self._line = line

    def format(self, record: logging.LogRecord) -> str:
        priority = f"<{_PRIORITIES.get(record.levelno, 2)}>"
        return "\n".join(priority + line for line in self._line.format(record).split("\n"))


@dataclass
class _Kind:
    """How often one kind of event has happened in its window."""

    ends: float
    said: str
    count: int = 0


class Lines(logging.StreamHandler[TextIO]):
    """Writes lines, and counts what it leaves out. ``every``: it leaves out nothing.

    Bugs of ours are always written. `settle` has to be called now and then.
    """

    def __init__(
        self, stream: TextIO, *, every: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(stream)
        self._every, self._clock = every, clock
        self._kinds: dict[tuple[str, str, str], _Kind] = {}

    def emit(self, record: logging.LogRecord) -> None:
        if self._every or record.levelno >= logging.ERROR or self._is_written(record):
            super().emit(record)

    def settle(self, *, ending: bool = False) -> None:
        """Say how often what was left out has happened, once its window is over."""
        assert self.lock is not None, "a handler has one"
        with self.lock:
            now = math.inf if ending else self._clock()
            for key, kind in [one for one in self._kinds.items() if one[1].ends <= now]:
                del self._kinds[key]
                if (more := kind.count - BURST) > 0:
                    super().emit(_summary(key[0], more, kind.said))

    def _is_written(self, record: logging.LogRecord) -> bool:
        key = record.name, str(record.msg), str(_facts(record).get("code", ""))
        kind = self._kinds.get(key)
        if kind is None:
            if len(self._kinds) >= _KINDS:
                return False
            kind = _Kind(self._clock() + WINDOW, record.getMessage())
            self._kinds[key] = kind
        kind.count += 1
        return kind.count <= BURST


def _summary(name: str, more: int, said: str) -> logging.LogRecord:
    sentence = "%d more like this in %.0f s: %s"
    return logging.LogRecord(name, logging.WARNING, "", 0, sentence, (more, WINDOW, said), None)


def _facts(record: logging.LogRecord) -> Mapping[str, Any]:
    found: Mapping[str, Any] = getattr(record, "facts", {})
    return found


def _word(value: object) -> str:
    text = printable(str(value), "")
    return text if text and not set(text) & set(' "=') else msgspec.json.encode(text).decode()


def _plain(value: object) -> object:
    return value if isinstance(value, int | float | None) else printable(str(value))


def _trace(line: logging.Formatter, record: logging.LogRecord) -> str:
    """Where a bug of ours is: the only thing that takes more than one line."""
    if not record.exc_info:
        return ""
    return "\n" + printable(line.formatException(record.exc_info))


def _is_journal(stream: TextIO) -> bool:
    """Whether systemd connected this very stream to its journal: it tells which that is."""
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"
