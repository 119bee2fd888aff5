"""Facts of one host, read from real files, locks, listeners and processes."""

from __future__ import annotations

import os
import resource
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from glasnost.core.doctor.facts import Unknown
from glasnost.daemons.alone import alone
from glasnost.net.sockets import listen_unix
from glasnost.roles.doctor import host
from glasnost.settings import Settings
from tests.roles.agent_lab import settle
from tests.trust.pool import DAY, Node, Pool, lab, node7


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("GLASNOST")]:
        monkeypatch.delenv(name)


# --- home ---------------------------------------------------------------------------------------


def test_a_home_is_described_as_it_lies_there(tmp_path: Path) -> None:
    home, run = settle(tmp_path), tmp_path / "run"
    listener = listen_unix(run / "agent.sock", socket.SOCK_SEQPACKET)
    (home / "node.key").chmod(0o644)
    (home / "authority").mkdir()
    with listener:
        found = host.read_home(home, run, agent_lives=True)
    assert (found.user, found.joined) == (os.getuid(), True)
    assert (found.home.kind, found.home.mode, found.home.owner) == ("directory", 0o700, os.getuid())
    assert (found.socket.kind, found.socket.mode) == ("socket", 0o600)
    assert [(Path(one.path).name, one.kind, one.mode) for one in found.keys] == [
        ("node.key", "file", 0o644),
        ("root.key", "missing", 0),
    ]
    assert found.settings is not None and found.settings.kind == "missing"
    assert found.disk is not None and found.disk.free > 0 and not found.disk.read_only
    assert host.is_ours(home) and host.foreign_owner(run) == ""


def test_nothing_is_missed_where_nothing_is(tmp_path: Path) -> None:
    found = host.read_home(tmp_path / "none", tmp_path / "none" / "run", agent_lives=False)
    assert (found.home.kind, found.run.kind, found.socket.kind) == ("missing",) * 3
    assert (found.joined, found.keys, found.disk) == (False, (), None)
    assert not host.is_ours(tmp_path / "none")


def test_another_users_sockets_are_said_to_be_theirs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = host.user_name(os.getuid())
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    assert host.user_name(12345) == "user 12345"
    assert host.foreign_owner(tmp_path) == owner
    assert not host.is_ours(tmp_path) and not host.is_open(tmp_path)
    monkeypatch.setattr(os, "getuid", lambda: 0)
    assert host.is_open(tmp_path)


def test_who_holds_a_home_is_told_while_it_does(tmp_path: Path) -> None:
    assert host.holder(tmp_path) == 0
    with alone(tmp_path):
        assert host.holder(tmp_path) == os.getpid()
        with alone(tmp_path / "other"):
            assert host.holder(tmp_path) == os.getpid()
    assert (tmp_path / "agent.lock").read_text().strip() == str(os.getpid())
    assert host.holder(tmp_path) == 0, "its file stays, and means nothing"


# --- settings -----------------------------------------------------------------------------------


def write(folder: Path, text: str) -> Path:
    (folder / "glasnost.toml").write_text(text)
    return folder


def test_settings_that_are_well(tmp_path: Path) -> None:
    settings, facts = host.read_settings(write(tmp_path, "port = 4000"))
    assert settings.port == 4000
    assert (facts.there, facts.problem, facts.unfit, facts.unknown) == (True, "", "", ())
    later = host.held_against(facts, read=time.time() + 60)
    assert not later.newer and host.held_against(facts, read=1.0).newer


def test_no_settings_are_settings_too(tmp_path: Path) -> None:
    settings, facts = host.read_settings(tmp_path)
    assert settings == Settings() and not facts.there
    assert not host.held_against(facts, read=1.0).newer


def test_unknown_words_are_told_one_by_one_with_what_they_may_mean(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = 'prot = 1\nzzzz = 2\n[[networks]]\nname = "lab"\nrange = []\n[[exits]]\nland = []\n'
    monkeypatch.setenv("GLASNOST_BROKER", "b1")
    monkeypatch.setenv("GLASNOST_HOME", str(tmp_path))
    monkeypatch.setenv("GLASNOST_PORT", "4000")
    settings, facts = host.read_settings(write(tmp_path, text))
    file = str(tmp_path / "glasnost.toml")
    assert facts.unknown == (
        Unknown("prot", file, "port"),
        Unknown("zzzz", file, ""),
        Unknown("range", f"{file}: [[networks]]", "ranges"),
        Unknown("land", f"{file}: [[exits]]", "lands"),
        Unknown("GLASNOST_BROKER", "environment", "GLASNOST_BROKERS"),
    )
    assert (settings, facts.problem) == (Settings(), ""), "said already"


@pytest.mark.parametrize(
    "text, says",
    [
        ("port = 'x'", "`int`"),
        ("port = 99999", "not between 0 and 65535"),
        ("[[[", "glasnost.toml: "),
        ("networks = 3", "`array`"),
    ],
)
def test_settings_that_cannot_be_used_are_defaults(tmp_path: Path, text: str, says: str) -> None:
    settings, facts = host.read_settings(write(tmp_path, text))
    assert settings == Settings() and says in facts.problem and facts.unknown == ()


def test_what_this_host_cannot_do_is_told(tmp_path: Path) -> None:
    _, facts = host.read_settings(write(tmp_path, 'advertise = ["10.1.2.3"]'))
    assert "advertise 10.1.2.3: on which network is it?" in facts.unfit


@pytest.mark.parametrize("mine", [("127.0.0.1",), ("0.0.0.0", "::")])
def test_a_port_that_somebody_has_is_taken(mine: tuple[str, ...]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        number = listener.getsockname()[1]
        assert host.is_taken(Settings(port=number, listen=mine))
        assert not host.is_taken(Settings(port=number, listen=("127.0.0.2",)))
    assert not host.is_taken(Settings(port=number, listen=mine))


# --- certificates -------------------------------------------------------------------------------


def test_a_certificate_is_described_with_what_its_agent_says(tmp_path: Path) -> None:
    home, now = settle(tmp_path), time.time()
    problem = "no route leads there\n  tried: route 1"
    found = host.read_certificate(home, now, {"renewal_problem": problem})
    assert found.host == "node7.lab.glasnost.internal" and found.agent_runs
    assert (found.problem, found.untrusted) == ("", "")
    assert found.renewal_problem == "no route leads there; tried: route 1"
    assert found.not_before < now < found.renew_at < found.not_after < found.root_not_after
    assert found.grace == 30 * DAY
    assert not host.read_certificate(home, now, None).agent_runs


def test_a_certificate_of_another_pool_is_not_trusted(tmp_path: Path) -> None:
    node = Pool(time.time()).node("node7")
    home = settle(tmp_path, Node("node7", node.key, node.cert))
    found = host.read_certificate(home, time.time(), None)
    assert "not issued by this pool's authority" in found.untrusted


def test_a_home_that_lacks_a_file_says_which(tmp_path: Path) -> None:
    home = settle(tmp_path)
    (home / "node.crt").unlink()
    assert "node.crt" in host.read_certificate(home, time.time(), None).problem
    shutil.rmtree(home)
    assert "has joined no pool" in host.read_certificate(home, time.time(), None).problem
    assert node7().name == "node7" and lab().domain == "lab.glasnost.internal"


# --- processes ----------------------------------------------------------------------------------


def test_each_daemon_is_described_with_what_its_role_wants() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        status = {
            "pid": os.getpid(),
            "services": {"directory": 1, "broker": 2, "web": 3},
            "programs": [
                {"pid": child.pid, "user": "ann", "services": ["broker"]},
                {"pid": child.pid, "user": "ann", "services": ["web"]},
            ],
        }
        found = host.read_processes(status)
    finally:
        child.communicate()
    assert [(one.name, one.pid) for one in found.processes] == [
        ("agent", os.getpid()),
        ("broker", child.pid),
    ]
    own, broker = found.processes
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert (own.soft, own.hard) == (soft, hard) and own.used >= 3
    assert broker.wants > own.wants > 10_000, "the directory is the agent's own process"
    assert found.root == (os.getuid() == 0)


def test_a_daemon_that_has_just_gone_is_left_out() -> None:
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    status = {"pid": done.pid, "services": {}, "programs": []}
    assert host.read_processes(status).processes == ()
    assert host.age_of(done.pid) == 0.0 < host.age_of(os.getpid())


def test_before_an_agent_runs_it_is_told_what_one_may_have() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    [one] = host.read_processes(None).processes
    assert (one.pid, one.soft) == (0, None if hard == resource.RLIM_INFINITY else hard)
