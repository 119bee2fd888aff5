"""`glasnost doctor` as it is typed: whatever runs or does not, a report, and the right status."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
from pathlib import Path

import pytest

from glasnost.core.doctor import Area, Severity
from tests.cli.conftest import GLASNOST, Shell

AREAS = [str(area) for area in Area]


def test_a_host_that_is_well(host: Shell) -> None:
    done = host.run("doctor", GLASNOST_PORT="0")
    assert (done.status, done.err) == (0, ""), done
    lines = done.out.splitlines()
    assert lines[-1] == "no problems, no warnings"
    heads = [line for line in lines[:-1] if not line.startswith(" ")]
    assert heads == AREAS
    assert "  ok       directory.cm answers in" in done.out
    assert "knows this host's 3 names" in done.out


def test_programs_get_findings_and_facts(host: Shell) -> None:
    done = host.run("doctor", "--json", GLASNOST_PORT="0")
    said = json.loads(done.out)
    assert done.status == 0 and set(said) == {"findings", "counts", "facts"}
    assert set(said["counts"]) == {str(one) for one in Severity}
    assert sum(said["counts"].values()) == len(said["findings"])
    assert all(set(one) == {"area", "severity", "what", "do"} for one in said["findings"])
    [sample] = said["facts"]["pool"]["clock"]["samples"]
    assert sample["proven"] and abs(sample["ahead"]) <= sample["bound"]


def test_a_host_that_has_joined_nothing(fresh: Shell) -> None:
    done = fresh.run("doctor")
    assert (done.status, done.err) == (1, "")
    assert f"{fresh.home} holds none" in done.out and "glasnost join" in done.out
    assert done.out.splitlines()[-1] == "1 problem, no warnings"


def test_no_agent_runs_here(fresh: Shell) -> None:
    fresh.run("init", "--name", "cm")
    done = fresh.run("doctor")
    assert done.status == 1
    assert f"problem  no agent answers at {fresh.home}/run/agent.sock" in done.out
    assert "ok       cm.home.glasnost.internal: good for 7 d" in done.out, "the rest is looked at"


def test_an_agent_that_was_killed_and_one_that_hangs(fresh: Shell) -> None:
    with fresh.running("up", "--name", "cm", "--port", "0", ready="sockets in") as running:
        pid = (fresh.home / "agent.lock").read_text().strip()
        os.kill(running.process.pid, signal.SIGSTOP)
        hangs = fresh.run("doctor")
        os.kill(running.process.pid, signal.SIGCONT)
        running.interrupt(signal.SIGKILL)
    assert hangs.status == 1 and f"and process {pid} has its lock" in hangs.out
    killed = fresh.run("doctor")
    assert killed.status == 1 and "agent.sock was left by an agent" in killed.out
    assert "has its lock" not in killed.out


def test_permissions_settings_and_files_that_are_wrong(fresh: Shell) -> None:
    fresh.run("init", "--name", "cm")
    fresh.home.chmod(0o755)
    (fresh.home / "node.key").chmod(0o644)
    (fresh.home / "glasnost.toml").write_text("prot = 4000\n")
    done = fresh.run("doctor", GLASNOST_PROT="4000")
    assert done.status == 1
    for says in (
        f"warning  {fresh.home} may be entered by others (mode 0755)",
        f"problem  {fresh.home}/node.key is a private key that others may read (mode 0644)",
        f"problem  {fresh.home}/glasnost.toml: prot is no setting: did you mean port?",
        "warning  environment: GLASNOST_PROT is no setting: did you mean GLASNOST_PORT?",
    ):
        assert says in done.out, says


@pytest.mark.parametrize("damage", ["node.crt", "root.crt", "pool.json", "node.key"])
def test_a_file_that_is_no_such_thing(fresh: Shell, damage: str) -> None:
    fresh.run("init", "--name", "cm")
    (fresh.home / damage).write_bytes(b"\x00\xff nonsense \x1b[2J")
    done = fresh.run("doctor")
    assert done.status == 1 and "\ncertificate\n  problem  " in done.out


def test_settings_that_name_no_file(fresh: Shell, tmp_path: Path) -> None:
    done = fresh.run("doctor", GLASNOST_CONFIG=str(tmp_path / "none.toml"))
    assert done.status == 1 and "there is no settings file" in done.out


def test_a_terminal_shows_what_is_being_done_and_keeps_its_width(fresh: Shell) -> None:
    """Progress is for who looks on: on the terminal's last line, and gone in the end."""
    fresh.run("init", "--name", "cm")
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*GLASNOST, "doctor"],
        env=fresh.complete(COLUMNS="80"),
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    shown = b""
    try:
        while chunk := os.read(ours, 4096):
            shown += chunk
    except OSError:  # Linux's way of saying that the other end has closed
        pass
    finally:
        os.close(ours)
    assert process.wait(20) == 1
    before, _, report = shown.decode().rpartition("\r\x1b[K")
    assert before.startswith("\r\x1b[Klooking at this host ...")
    lines = report.splitlines()
    assert lines[0] == AREAS[0]
    # Words stay whole, and this path is long.
    assert all(len(line) <= 80 or str(fresh.home) in line for line in lines)
