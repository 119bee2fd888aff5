"""``glasnost ping``: what a person and a program are shown, and the exit status."""

from __future__ import annotations

import json
import re
import signal

import pytest

from glasnost.cli.ping import show_traces
from glasnost.core.routes import Mark, Trace
from tests.cli.conftest import Shell
from tests.stages.crossing import path

FULL = "echo.cm.home.glasnost.internal"
ENDS = {"sealed": ["TLS handshake", "accept"], "plain": ["accept"]}


@pytest.mark.parametrize("protection", ["sealed", "plain"])
def test_each_stage_of_the_path_has_its_time(host: Shell, echo: int, protection: str) -> None:
    plain = ["--plain"] if protection == "plain" else []
    with host.running("expose", "echo", "--to", str(echo), *plain, ready="echo.cm."):
        done = host.run("ping", "echo.cm")
    assert (done.status, done.err) == (0, "")
    found, empty, route, head, *rows, note = done.out.splitlines()
    assert re.fullmatch(rf"{re.escape(FULL)}, looked up in \d+\.\d ms", found) and empty == ""
    assert re.fullmatch(r"route 1, direct: host\.\S+/unix:\S+/service:echo", route)
    assert head.split() == ["stage", "took"]
    cells = [re.split(r"\s{2,}", row.strip()) for row in rows]
    assert [row[-2] for row in cells] == ["connect", "send header", *ENDS[protection], "reached"]
    assert all(re.fullmatch(r"\d+\.\d ms", row[-1]) for row in cells)
    assert note == "(no header is waited for: its answer comes with what is waited for next)"


def test_several_are_summed_up_by_path(host: Shell) -> None:
    done = host.run("ping", "broker.cm", "--count", "3", "--interval", "0")
    assert (done.status, done.err) == (0, "")
    lines = done.out.splitlines()
    assert [line.split()[0] for line in lines[1:4]] == ["1", "2", "3"]
    assert re.fullmatch(
        r"3 pings, 3 reached, min \d+\.\d ms, median \d+\.\d ms, max \d+\.\d ms", lines[4]
    )
    assert lines[7].split() == ["stage", "min", "median", "max"]


@pytest.mark.parametrize("every", [[], ["--all"]], ids=["race", "all"])
def test_programs_get_an_object_a_line(host: Shell, every: list[str]) -> None:
    done = host.run("ping", "broker.cm", "--json", "--count", "2", "--interval", "0", *every)
    assert (done.status, done.err) == (0, "")
    pings = [json.loads(line) for line in done.out.splitlines()]
    assert [(one["ping"], one["reached"]) for one in pings] == [(1, True), (2, True)]
    for one in pings:
        assert one["name"] == "broker.cm.home.glasnost.internal" and one["looked_up"] > 0
        tried = one["tried"][0]
        assert tried["stages"][0]["did"] == "connect" and tried["failed"] is None
        assert sum(each["seconds"] for each in tried["stages"]) == pytest.approx(
            tried["seconds"], abs=1e-5
        )


def test_what_is_not_reached_is_status_1(host: Shell) -> None:
    host.run("ping", "nothing.cm").failed(1, "no service 'nothing' is registered on cm")
    host.run("ping", "no name").failed(1, "is not a usable name")
    done = host.run("ping", "nothing.cm", "--count", "2", "--interval", "0")
    assert done.status == 1 and "2 pings, 0 reached" in done.out
    done = host.run("ping", "nothing.cm", "--json")
    [said] = map(json.loads, done.out.splitlines())
    assert done.status == 1 and not said["reached"] and "is registered on cm" in said["why"]


def test_wrong_options_are_status_2(host: Shell) -> None:
    for words in (["--count", "0"], ["--interval", "-1"], ["--timeout", "soon"], []):
        done = host.run("ping", *(["broker.cm", *words] if words else []))
        assert done.status == 2 and done.out == "" and done.err.startswith("glasnost: error: ")


def test_ctrl_c_sums_up(host: Shell) -> None:
    typed = ("ping", "broker.cm", "--count", "99", "--interval", "60")
    with host.running(*typed, ready="   1  ") as running:
        assert running.interrupt(signal.SIGINT) == 130
        assert any(line.startswith("1 ping, 1 reached, took ") for line in running.lines)


def test_a_path_through_a_proxy_that_fails_is_shown_from_its_exit_on(
    capsys: pytest.CaptureFixture[str],
) -> None:
    on = path("public/ip4:192.0.2.1:9618/service:web", via="ip4:198.51.100.4:1080/socks5")
    marks = [Mark(1.0, -2, "connect"), Mark(1.5, -1, "log in"), Mark(2.0, 0, "connect")]
    show_traces([Trace.of(on, marks, 2.25, 0, "wrong password")])
    assert capsys.readouterr().out == SHOWN


SHOWN = """
route 1, through ip4:198.51.100.4:1080/socks5: public/ip4:192.0.2.1:9618/service:web
      stage                                took
exit  ip4:198.51.100.4:1080  connect   500.0 ms
exit  socks5                 log in    500.0 ms
1     ip4:192.0.2.1:9618     connect   250.0 ms
                             failed   1250.0 ms
  exit (socks5): wrong password
"""
