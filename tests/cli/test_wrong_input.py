"""Whatever is typed: one clear sentence on stderr, nothing on stdout, and the right status.

0: done. 1: it could not be done. 2: it was called wrongly.
"""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.cli.conftest import Shell

WRONG_USAGE = [
    # what is typed, what is said
    ("nosuch", "no such command 'nosuch'"),
    ("up --nosuch", "no such option '--nosuch'"),
    ("up extra", "unexpected extra argument"),
    ("up --port 99999", "'99999' is no port"),
    ("up --port abc", "'abc' is no port"),
    ("up --network LAB!", "'LAB!': letters a-z"),
    ("expose", "missing argument 'NAME'"),
    ("expose web", "missing option '--to'"),
    ("expose web --to 127.0.0.1", "'127.0.0.1' is not [HOST:]PORT"),
    ("expose web --to 127.0.0.1:0", "0 is no port (1 to 65535)"),
    ("expose web --to :80", "':80' is not [HOST:]PORT"),
    ("expose web --to ::1:80", "stands in brackets, as in [::1]:8000"),
    ("expose web --to 127.0.0.1:²", "is not [HOST:]PORT"),
    ("expose web --to 1 --relay maybe", "'maybe' is not one of"),
    ("forward 80000 web.cm", "80000 is no port (0 to 65535)"),
    ("forward 0", "missing argument 'NAME'"),
    ("connect", "missing argument 'NAME'"),
    ("systemd print", "}...'. Choose from: up, agent, broker, directory, authority"),
    ("connect web.cm more", "unexpected extra argument"),
    ("token create", "missing option '--node'"),
    ("token create --node a --at foo:1", "'foo' is no IP address"),
    ("token create --node a --at 192.0.2.1:1 --lifetime -1", "'-1' is no number of seconds"),
    ("token create --node a --at 192.0.2.1:1 --lifetime nan", "'nan' is no number of seconds"),
    ("join /", "'/' is a directory"),
]


@pytest.mark.parametrize("typed, says", WRONG_USAGE, ids=[one[0] for one in WRONG_USAGE])
def test_wrong_usage_has_status_2_and_a_hint(host: Shell, typed: str, says: str) -> None:
    done = host.run(*typed.split())
    assert "glasnost: hint: glasnost" in done.err
    done.failed(2, says)


COULD_NOT = [
    ("connect nope.cm", "no service 'nope' is registered on cm"),
    ("connect web", "'web' is not a usable name: a name has a service and a node"),
    ("lookup nope.other", "nope.other"),
    ("explain a..b", "is not a usable name"),
    ("expose broker --to 1", "a service 'broker' is registered on cm already"),
    ("expose web.cm --to 1", "one label is enough here"),
    ("forward nohost.invalid:1 web.cm", "cannot listen on nohost.invalid port 1"),
    ("token create --node cm --at 192.0.2.1:1", "has joined already"),
    ("token create --node x_-", "is not a usable name"),
    ("up", "an agent runs here already (process "),
    ("agent", "an agent runs here already (process "),
    ("broker", "a service 'broker' is registered on cm already"),
    ("init", "belongs to a pool already"),
    ("join", "belongs to a pool already"),
    ("up --name other", "this node is called cm already"),
    ("up --pool other", "this node is in home.glasnost.internal already"),
]


@pytest.mark.parametrize("typed, says", COULD_NOT, ids=[one[0] for one in COULD_NOT])
def test_what_cannot_be_done_has_status_1(host: Shell, typed: str, says: str) -> None:
    host.run(*typed.split()).failed(1, says)
    assert host.run("status").status == 0  # and the agent that runs is none the worse


@pytest.mark.parametrize("name", ["", "a b", "web.cm\x1b[2J", "\udcff.cm", "x" * 300])
@pytest.mark.parametrize("command", ["connect", "lookup"])
def test_no_text_is_more_than_a_wrong_name(host: Shell, command: str, name: str) -> None:
    host.run(command, name).failed(1, "is not a usable name")


def test_without_a_command_the_help_is_shown_as_wrong_usage(fresh: Shell) -> None:
    for words in ([], ["token"]):
        done = fresh.run(*words)
        assert (done.status, done.out) == (2, "")
        assert done.err.startswith("Usage: glasnost")


def test_every_command_is_summed_up_in_one_whole_line(fresh: Shell) -> None:
    help_ = fresh.run("--help")
    assert help_.status == 0
    assert "..." not in help_.out.partition("Commands:")[2]


@pytest.mark.parametrize("typed", ["ls", "connect web.cm", "connect --fdpass web.cm", "status"])
def test_where_no_agent_runs_it_is_said_how_to_start_one(fresh: Shell, typed: str) -> None:
    fresh.run(*typed.split()).failed(1, "no agent runs on this host", "`glasnost up`")


@pytest.mark.parametrize("typed", ["agent", "authority", "token create --node a"])
def test_where_nothing_was_joined_it_is_said(fresh: Shell, typed: str) -> None:
    fresh.run(*typed.split()).failed(1, "glasnost")


TOKENS = [
    ("", "no join token was given"),
    ("\n", "no join token was given"),
    ("garbage\n", "one begins with glasnost-join-1."),
    ("glasnost-join-1.AAAA\n", "is damaged"),
    ("glasnost-join-2.AAAA\n", "of a version that is not understood"),
    ("glasnost-join-1." + "A" * 50_000, "is damaged"),
    ("\x1b[2J\n", "is no join token"),
]


@pytest.mark.parametrize("text, says", TOKENS, ids=[one[0][:20] for one in TOKENS])
def test_what_is_no_token_does_not_join(fresh: Shell, text: str, says: str) -> None:
    fresh.run("join", stdin=text).failed(1, says)
    assert not fresh.home.exists()


def test_a_token_that_cannot_be_read_is_named(fresh: Shell, tmp_path: Path) -> None:
    fresh.run("join", str(tmp_path / "nothing")).failed(1, "nothing: no such file or directory")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    fresh.run("join", str(tmp_path / "bytes")).failed(1, "it is no text")


SETTINGS = [
    ('port = "', "glasnost.toml"),
    ("prot = 1", "`prot`"),
    ("port = 70000", "70000"),
    ('[[networks]]\nname = "lab"\nranges = ["10.0.0.0/99"]', "10.0.0.0/99"),
    ('[[networks]]\nname = "L A B"', "L A B"),
    ("\udcff", "glasnost.toml"),
]


@pytest.mark.parametrize("text, says", SETTINGS, ids=[one[0][:12] for one in SETTINGS])
@pytest.mark.parametrize("typed", ["ls", "connect web.cm"])
def test_settings_that_cannot_be_used_are_named(
    fresh: Shell, typed: str, text: str, says: str
) -> None:
    fresh.home.mkdir()
    (fresh.home / "glasnost.toml").write_bytes(text.encode(errors="surrogateescape"))
    fresh.run(*typed.split()).failed(1, "glasnost.toml", says)


def test_a_variable_that_cannot_be_used_is_named(fresh: Shell) -> None:
    fresh.run("ls", GLASNOST_PORT="abc").failed(1, "GLASNOST_PORT")
    fresh.run("ls", GLASNOST_CONFIG="/nonexistent").failed(1, "no settings file /nonexistent")
    fresh.run("ls", GLASNOST_CONFIG="/").failed(1, "cannot read /")


def test_a_place_that_cannot_be_used_is_named(fresh: Shell, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for home in (tmp_path / "file", Path("/proc/nothing")):
        fresh.at(home).run("up", "--port", "0").failed(1, str(home))
    deep = str(tmp_path / ("d" * 120))
    fresh.run("up", "--port", "0", GLASNOST_RUN=deep).failed(1, "too long for a unix socket")


def test_a_port_in_use_is_named(fresh: Shell) -> None:
    with socket.create_server(("0.0.0.0", 0)) as taken:
        port = taken.getsockname()[1]
        done = fresh.run("up", "--port", str(port))
        done.failed(1, f"cannot listen on 0.0.0.0 port {port}", "choose another port")
