"""``glasnost watch``: what is there, then what changes, for people and for programs."""

from __future__ import annotations

import json
import re
import signal

import pytest

from tests.cli.conftest import OWN_NAMES, Running, Shell

TIME = r"\d\d:\d\d:\d\d"


def lines(running: Running) -> list[str]:
    """What it has said, without times, and without how many routes a host has where tests run."""
    said = [re.sub(rf"^{TIME} ", "", line.rstrip()) for line in running.lines]
    return [re.sub(r"\d+ routes?", "N routes", line) for line in said]


def test_a_person_sees_what_is_there_and_what_changes(host: Shell, echo: int) -> None:
    typed = ("expose", "echo", "--to", str(echo), "--label", "role=db")
    with host.running("watch", ready=f"= {OWN_NAMES[-1]}") as watching:
        with host.running(*typed, ready="echo.cm."):
            watching.until("+ echo.cm")
        watching.until("- echo.cm")
        with host.running(*typed[:-1], "role=web", "--plain", ready="echo.cm."):
            watching.until("+ echo.cm")
        watching.until("- echo.cm")
        assert watching.interrupt(signal.SIGINT) == 0
    assert all(re.match(rf"{TIME} [=+~-] |  ", line) for line in watching.lines)
    said = lines(watching)
    assert said[:3] == [
        "= authority.cm  sealed, N routes",
        "= broker.cm     sealed, N routes, role=broker",
        "= directory.cm  sealed, N routes, role=directory",
    ]
    assert [line for line in said if "echo" in line and not line.startswith("~")] == [
        "+ echo.cm       sealed, N routes, role=db",
        "- echo.cm       withdrawn",
        "+ echo.cm       plain, N routes, role=web",
        "- echo.cm       withdrawn",
    ]


def test_a_program_gets_an_object_a_line(host: Shell, echo: int) -> None:
    typed = ("expose", "echo", "--to", str(echo), "--label", "role=db")
    with host.running("watch", "e*", "--label", "role=db", "--json", ready='"ready"') as watching:
        with host.running("expose", "else", "--to", str(echo), ready="else.cm."):
            with host.running(*typed, ready="echo.cm."):
                watching.until('"appeared"')
            watching.until('"gone"')
        assert watching.interrupt(signal.SIGINT) == 0
    ready, appeared, gone = map(json.loads, watching.lines)
    assert (ready["event"], ready["count"]) == ("ready", 0)
    assert appeared["name"] == gone["name"] == "echo.cm.home.glasnost.internal"
    assert appeared["record"]["labels"] == {"role": "db"} and gone["why"] == "withdrawn"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", appeared["at"])


def test_it_ends_when_nobody_reads(host: Shell) -> None:
    """Though nothing happens that it could tell."""
    done = host.sh("glasnost watch authority.* | head -n 1; exit ${PIPESTATUS[0]}")
    assert (done.status, done.err) == (1, "") and "= authority.cm" in done.out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_is_ended_by_a_signal(host: Shell, number: int) -> None:
    with host.running("watch", ready=f"= {OWN_NAMES[-1]}") as watching:
        assert watching.interrupt(number) == (0 if number == signal.SIGINT else -signal.SIGTERM)


def test_what_is_typed_wrongly_is_said(host: Shell, fresh: Shell) -> None:
    host.run("watch", "x" * 300).failed(1, "a glob has at most")
    host.run("watch", "--label", "!").failed(2, "is none of key=value")
    fresh.run("watch").failed(1, "no agent runs on this host")
