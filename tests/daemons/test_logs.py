"""What daemons log: lines that people and programs read, and never a full disk."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import sys
from collections.abc import Iterator

import pytest

from glasnost.core.text import facts
from glasnost.daemons import logs
from glasnost.daemons.logs import BURST, WINDOW, Lines, formatter


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Log:
    """A logger of its own that writes into memory, on a clock that stands still."""

    def __init__(self, style: logs.Style = "text", stream: io.StringIO | None = None) -> None:
        self.stream = stream or io.StringIO()
        self.now = 0.0
        self.lines = Lines(self.stream, clock=lambda: self.now)
        self.lines.setFormatter(formatter(style, self.stream))
        self.log = logging.Logger("glasnost.port", logging.DEBUG)  # noqa: LOG001
        self.log.addHandler(self.lines)

    def said(self) -> list[str]:
        return self.stream.getvalue().splitlines()


STAMP = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}"


def test_a_line_is_a_sentence_and_its_facts() -> None:
    log = Log()
    log.log.info("refused: %s", "no such service", extra=facts(code="no-service", peer="[::1]:9"))
    log.log.warning("a directory is away")
    first, second = log.said()
    said = "glasnost.port: refused: no such service  code=no-service peer=[::1]:9"
    assert re.fullmatch(f"{STAMP} INFO    {re.escape(said)}", first)
    assert re.fullmatch(f"{STAMP} WARNING glasnost.port: a directory is away", second)


def test_on_a_terminal_the_day_is_known() -> None:
    log = Log(stream=Terminal())
    log.log.info("serving")
    assert re.fullmatch(r"\d\d:\d\d:\d\d glasnost.port: serving\n", log.stream.getvalue())


def test_for_programs_each_line_is_an_object() -> None:
    log = Log("json")
    log.log.info("refused: %s", "it's full", extra=facts(code="busy", held=128))
    (line,) = log.said()
    said = json.loads(line)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", said.pop("time"))
    assert said == {
        "level": "info",
        "logger": "glasnost.port",
        "message": "refused: it's full",
        "code": "busy",
        "held": 128,
    }


@pytest.mark.parametrize("style", ["text", "json"])
def test_what_peers_say_commands_no_terminal_and_makes_no_line(style: logs.Style) -> None:
    """Neither in the sentence nor among the facts."""
    log = Log(style)
    evil = "web\x1b[2J\n<0>kernel: panic\u202e"
    log.log.info("refused: %s", evil, extra=facts(name=evil, code='a" b='))
    (line,) = log.said()
    assert "\x1b" not in line and "\u202e" not in line
    assert "\\x1b[2J" in line


def test_a_bug_of_ours_brings_its_trace() -> None:
    try:
        raise AssertionError("an answer to nothing")
    except AssertionError:
        text, programs = Log(), Log("json")
        for log in (text, programs):
            log.log.exception("a task died")
    assert text.said()[-1] == "AssertionError: an answer to nothing"
    (line,) = programs.said()
    assert json.loads(line)["trace"].endswith("AssertionError: an answer to nothing")


@pytest.fixture
def journal(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.TextIOWrapper]:
    """A pipe that systemd has told us of."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream, os.fdopen(reading):
        found = os.fstat(writing)
        monkeypatch.setenv("JOURNAL_STREAM", f"{found.st_dev}:{found.st_ino}")
        yield stream


@pytest.mark.parametrize("style", ["text", "json"])
def test_journald_is_told_how_bad_each_line_is(
    style: logs.Style, journal: io.TextIOWrapper
) -> None:
    made = formatter(style, journal)
    for level, priority in (("DEBUG", 7), ("INFO", 6), ("WARNING", 4), ("ERROR", 3)):
        record = logging.LogRecord("glasnost.x", getattr(logging, level), "", 0, "so", (), None)
        line = made.format(record)
        assert line.startswith(f"<{priority}>")
        if style == "text":
            assert line == f"<{priority}>glasnost.x: so"  # journald knows when
    try:
        raise KeyError("x")
    except KeyError:
        record = logging.LogRecord("x", logging.ERROR, "", 0, "a bug", (), sys.exc_info())
    assert all(line.startswith("<3>") for line in made.format(record).split("\n"))


def test_another_stream_than_the_journals_has_no_priorities(
    journal: io.TextIOWrapper, capfd: pytest.CaptureFixture[str]
) -> None:
    """A daemon whose standard error was sent elsewhere still has the variable."""
    record = logging.LogRecord("glasnost.x", logging.INFO, "", 0, "so", (), None)
    assert formatter("text", sys.stderr).format(record).endswith("INFO    glasnost.x: so")


def test_a_flood_is_counted_and_not_written() -> None:
    """A million refused strangers are 20 lines and a number, and others' lines are still there."""
    log = Log()
    for number in range(10_000):
        log.log.info("refused: %s", f"no service {number}", extra=facts(code="no-service"))
    log.log.info("refused: %s", "too many", extra=facts(code="busy"))
    log.log.info("service %s registered", "web")
    assert len(log.said()) == BURST + 2
    log.now += WINDOW - 1
    log.lines.settle()
    assert len(log.said()) == BURST + 2
    log.now += 1
    log.lines.settle()
    log.lines.settle()
    assert len(log.said()) == BURST + 3
    assert log.said()[-1].endswith(
        "WARNING glasnost.port: 9980 more like this in 60 s: refused: no service 0"
    )
    log.log.info("refused: %s", "again", extra=facts(code="no-service"))
    assert log.said()[-1].endswith("refused: again  code=no-service")


def test_at_the_end_what_was_left_out_is_said() -> None:
    log = Log()
    for _ in range(BURST + 1):
        log.log.info("refused")
    log.lines.settle(ending=True)
    assert log.said()[-1].endswith("1 more like this in 60 s: refused")


def test_bugs_and_whoever_wants_everything_are_never_left_out() -> None:
    log = Log()
    for _ in range(BURST + 5):
        log.log.error("a bug of ours")
    assert len(log.said()) == BURST + 5
    everything = Lines(io.StringIO(), every=True)
    logger = logging.Logger("x")  # noqa: LOG001
    logger.addHandler(everything)
    for _ in range(BURST + 5):
        logger.info("refused")
    assert len(everything.stream.getvalue().splitlines()) == BURST + 5  # type: ignore[attr-defined]


def test_kinds_of_events_are_bounded() -> None:
    log = Log()
    for number in range(logs._KINDS + 50):
        log.log.info(f"kind {number}")
    assert len(log.said()) == logs._KINDS
