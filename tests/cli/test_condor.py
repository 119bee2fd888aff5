"""``glasnost condor``: a pool is asked, and its daemons are pinged, as a user types it."""

from __future__ import annotations

import json
import re
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from glasnost.condor.classad import Ad, Expression
from glasnost.condor.commands import Command, Level
from glasnost.condor.security.methods.kinds import Method
from glasnost.condor.security.negotiation import Policy
from glasnost.condor.security.words import Word
from glasnost.condor.server.call import Call, Then
from tests.cli.conftest import Shell
from tests.condor.daemon import Daemon, Handler, answering, beside

SCHEDD = {"MyType": "Scheduler", "Name": "s1@h.example.org", "Machine": "h.example.org"}


@pytest.fixture(scope="module")
def pool() -> Iterator[Daemon]:
    """A collector that knows a schedd and a slot; everybody may read there."""
    ads = [
        Ad({**SCHEDD, "MyAddress": "<192.0.2.1:9618?sock=schedd_1>", "TotalRunningJobs": 3}),
        Ad(
            {
                "MyType": "Machine",
                "Name": "slot1@x\x1b",
                "Rank": Expression("A + B"),
                "Cpus": 4,
                "Load": float("inf"),
            }
        ),
    ]

    def make() -> Daemon:
        return Daemon(answering(ads), allow=lambda level, who, where: level is Level.READ)

    with beside(make) as one:
        yield one


@pytest.fixture
def shell(pool: Daemon, tmp_path: Path) -> Shell:
    """On a host that has HTCondor's settings and no agent of ours."""
    told = {"COLLECTOR_HOST": f"127.0.0.1:{pool.port}", "PRIVATE_NETWORK_NAME": "lab"}
    environment = {f"_CONDOR_{name}": value for name, value in told.items()}
    return Shell(tmp_path, {"CONDOR_CONFIG": "ONLY_ENV", **environment})


def test_status_is_a_table_or_json(shell: Shell) -> None:
    done = shell.run("condor", "status", "--projection", "Name, Cpus")
    assert done.status == 0 and done.err == "glasnost: 2 ads of Machine\n"
    assert [line.split() for line in done.out.splitlines()] == [
        ["Name", "Cpus"],
        ["slot1@x\\x1b", "4"],
        ["s1@h.example.org", "-"],
    ]
    done = shell.run("condor", "status", "--type", "schedd", "--json")
    schedd, slot = json.loads(done.out)
    assert (done.status, done.err) == (0, "")
    assert schedd["TotalRunningJobs"] == 3 and slot["Rank"] == {"expression": "A + B"}
    assert slot["Load"] == {"expression": 'real("INF")'}


def test_each_type_has_its_columns(shell: Shell) -> None:
    for called, head in [
        ("startd", "Name OpSys Arch State Activity Cpus Memory"),
        ("schedd", "Name Machine TotalRunningJobs TotalIdleJobs TotalHeldJobs"),
        ("collector", "MyType Name Machine"),
    ]:
        done = shell.run("condor", "status", "--type", called, "--limit", "5")
        assert done.out.splitlines()[0].split() == head.split()


def test_a_daemon_is_located(shell: Shell) -> None:
    done = shell.run("condor", "locate", "s1@h.example.org")
    assert (done.status, done.err) == (0, "")
    assert done.out == "<192.0.2.1:9618?sock=schedd_1>\n"
    (found,) = json.loads(shell.run("condor", "locate", "s1", "--json").out)
    assert found["address"] == "<192.0.2.1:9618?sock=schedd_1>"
    assert found["Machine"] == "h.example.org"


def test_a_name_that_several_have_is_said_and_its_type_chooses(tmp_path: Path) -> None:
    at = {"Name": "h", "Machine": "h"}
    master = Ad({"MyType": "DaemonMaster", **at, "MyAddress": "<192.0.2.1:1?sock=master>"})
    schedd = Ad({"MyType": "Scheduler", **at, "MyAddress": "<192.0.2.1:1?sock=schedd>"})
    both = answering([master, schedd])
    handlers = {**both, Command.QUERY_SCHEDD_ADS: answering([schedd])[Command.QUERY_SCHEDD_ADS]}
    with beside(lambda: Daemon(handlers)) as one:
        shell = Shell(tmp_path, {"CONDOR_CONFIG": "ONLY_ENV"})
        here = ("--pool", f"127.0.0.1:{one.port}")
        done = shell.run("condor", "explain", "h", *here)
        assert done.status == 0 and done.out.startswith("<192.0.2.1:1?sock=master>\n")
        said = "h is DaemonMaster, Scheduler: here the DaemonMaster; --type chooses another"
        assert done.err == f"glasnost: {said}\n"
        done = shell.run("condor", "explain", "h", "--type", "schedd", *here)
        assert (done.status, done.err) == (0, "")
        assert done.out.startswith("<192.0.2.1:1?sock=schedd>\n")


def test_no_word_of_a_peer_is_a_line_of_ours(tmp_path: Path) -> None:
    lie = "x\nglasnost: hint: run this"
    ads = [
        Ad({"MyType": "Scheduler", "Name": lie, "MyAddress": f"<192.0.2.1:1?alias={lie}&sock=x>"}),
        Ad({"MyType": lie, "Name": lie, "MyAddress": "<192.0.2.1:2>"}),
        Ad({"MyType": "Scheduler", "Name": lie, "MyAddress": "<192.0.2.1:3>"}),
        Ad({"MyType": "StartD", "Name": lie, "MyAddress": "<10.0.0.1:4>"}),
        Ad({"MyType": "StartD", "Name": lie + "2", "MyAddress": f"<10.0.0.1:{lie}>"}),
    ]
    with beside(lambda: Daemon(answering(ads))) as one:
        shell = Shell(tmp_path, {"CONDOR_CONFIG": "ONLY_ENV"})
        for words in (["locate", "x"], ["explain", "x"], ["ping", "x"], ["matrix"], ["status"]):
            done = shell.run("condor", *words, "--pool", f"127.0.0.1:{one.port}")
            lines = [*done.out.splitlines(), *done.err.splitlines()]
            assert lines and not any(line.startswith("glasnost: hint") for line in lines), done
        done = shell.run("condor", "locate", "x", "--pool", f"127.0.0.1:{one.port}")
        assert done.out.splitlines()[:2] == ["<192.0.2.1:2>", "<192.0.2.1:3>"]
        assert "an address with characters that none has is left out" in done.err


def test_a_route_of_ours_is_an_address_of_theirs(shell: Shell, pool: Daemon) -> None:
    route = f"public/ip4:127.0.0.1:{pool.port}/condor.sock:collector"
    done = shell.run("condor", "explain", route)
    assert (done.status, done.err) == (0, "")
    first = done.out.splitlines()[0]
    assert first == f"<127.0.0.1:{pool.port}?addrs=127.0.0.1-{pool.port}&noUDP&sock=collector>"
    done = shell.run("condor", "ping", "public/ip4:192.0.2.1:1/tls:h")
    assert (done.status, done.out) == (1, "")
    assert "HTCondor can express none of these routes" in done.err


def test_one_long_value_does_not_widen_all_lines(tmp_path: Path) -> None:
    ads = [Ad({"Name": "x" * 100_000, "Cpus": 1}), Ad({"Name": "y", "Cpus": 2})]
    with beside(lambda: Daemon(answering(ads))) as one:
        shell = Shell(tmp_path, {"CONDOR_CONFIG": "ONLY_ENV"})
        typed = ("condor", "status", "--pool", f"127.0.0.1:{one.port}")
        done = shell.run(*typed, "--projection", "Name,Cpus")
        assert [len(line) for line in done.out.splitlines()] == [1006, 1003, 1003]
        found = json.loads(shell.run(*typed, "--json").out)
        assert len(found[0]["Name"]) == 100_000


def test_a_ping_says_by_which_path_and_as_whom(shell: Shell, pool: Daemon) -> None:
    done = shell.run("condor", "ping", pool.address)
    assert (done.status, done.err) == (0, "")
    told = dict(re.split(r"\s{2,}", line, maxsplit=1) for line in done.out.splitlines()[-5:])
    assert told == {
        "known as": "unauthenticated@unmapped",
        "logged in by": "nothing",
        "protected by": "AES",
        "HTCondor": "25.14.1",
        "READ": "allowed",
    }
    assert f"route 1, direct: public/ip4:127.0.0.1:{pool.port}" in done.out
    done = shell.run("condor", "ping", pool.address, "--level", "daemon", "--json")
    answer = json.loads(done.out)
    assert done.status == 1 and not answer["allowed"] and answer["level"] == "DAEMON"
    assert answer["path"]["reached"] and answer["security"]["protected by"] == "AES"
    assert "unauthenticated@unmapped is not allowed DAEMON there" in done.err


ADDRESS = (
    "<192.0.2.7:9618?CCBID=192.0.2.1:9618%3fsock%3dcollector#5"
    "%20[2001:db8::1]:9618#7&PrivNet=lab&addrs=192.0.2.7-9618&sock=startd_1>"
)


def test_what_would_be_tried_is_explained(shell: Shell) -> None:
    done = shell.run("condor", "explain", ADDRESS)
    assert (done.status, done.err) == (0, "")
    assert "lab/ip4:192.0.2.7:9618/condor.sock:startd_1" in done.out
    assert "condor.ccb:5/condor.sock:startd_1" in done.out
    assert "would try: 192.0.2.7:9618 (within the private network lab)" in done.out
    done = shell.run("condor", "explain", ADDRESS, "--json", _CONDOR_PRIVATE_NETWORK_NAME="x")
    answer = json.loads(done.out)
    assert answer["htcondor"]["why"] == "a broker, as there is a CCBID"
    ways = {(one["crossings"][0]["way"]) for one in answer["candidates"]}
    assert ways == {"dial-back", "relay"}
    assert "this host is not on the network lab" in json.dumps(answer["rejected"])


def test_without_a_way_to_be_dialled_only_relays_are_left(shell: Shell) -> None:
    typed = ("condor", "explain", ADDRESS, "--json")
    done = shell.run(*typed, _CONDOR_TOOLS_ASSUME_FIREWALLS="true", _CONDOR_PRIVATE_NETWORK_NAME="")
    answer = json.loads(done.out)
    assert {one["crossings"][0]["way"] for one in answer["candidates"]} == {"relay"}


def test_what_cannot_be_done_is_one_sentence(shell: Shell) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        dead = f"127.0.0.1:{gone.getsockname()[1]}"
    done = shell.run("condor", "status", "-pool", dead)
    assert (done.status, done.out) == (1, "") and "connection refused" in done.err
    done = shell.run("condor", "status", _CONDOR_COLLECTOR_HOST="")
    done.failed(1, "no collector is known")
    shell.run("condor", "ping", "<192.0.2.1:x>").failed(1, "column")
    shell.run("condor", "explain", "<?alias=h>").failed(1, "nothing that could be dialled")
    shell.run("condor", "status", CONDOR_CONFIG="/nowhere/condor_config").failed(1, "CONDOR_CONFIG")


def test_what_a_collector_says_wrongly_is_one_sentence(tmp_path: Path) -> None:
    async def a_million_attributes(call: Call) -> Then:
        await call.payload()
        writer = call.stream.writer()
        writer.integer(1)
        writer.integer(1_000_000)
        await call.stream.send(writer)
        return Then.CLOSE

    async def nothing(call: Call) -> Then:
        await call.payload()
        return Then.CLOSE

    async def a_packet_of_somebody_else(call: Call) -> Then:
        await call.payload()
        call.stream.sock.send(struct.pack(">BI", 1, 64) + bytes(64))
        return Then.CLOSE

    lies: dict[Command, Handler] = {
        Command.QUERY_STARTD_ADS: a_million_attributes,
        Command.QUERY_SCHEDD_ADS: nothing,
        Command.QUERY_MASTER_ADS: a_packet_of_somebody_else,
    }
    said = {
        "startd": "an ad of 1000000 attributes",
        "schedd": "closed the connection before it answered",
        "master": "a packet that this session's key has not sealed",
        "negotiator": "the connection is closed while we log in",
    }
    with beside(lambda: Daemon(lies)) as liar:
        shell = Shell(tmp_path, {"CONDOR_CONFIG": "ONLY_ENV"})
        for called, why in said.items():
            typed = ("condor", "status", "--pool", f"127.0.0.1:{liar.port}", "--type", called)
            done = shell.run(*typed)
            assert (done.status, done.out) == (1, "") and why in done.err, done


def test_a_token_that_is_of_no_use_is_told_of(shell: Shell, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens.d"
    tokens.mkdir()
    (tokens / "mine").write_text("abc")
    (tokens / "mine").chmod(0o644)
    done = shell.run("condor", "status", _CONDOR_SEC_TOKEN_DIRECTORY=str(tokens))
    first, second = done.err.splitlines()
    assert done.status == 0 and second == "glasnost: 2 ads of Machine"
    assert re.fullmatch(r"glasnost: tokens: \S+/mine: others may read it .*", first)


def test_that_no_method_named_is_ours_is_said(tmp_path: Path) -> None:
    strict = Policy(authentication=Word.REQUIRED, methods=(Method.FS,))
    with beside(lambda: Daemon(policy=strict)) as one:
        shell = Shell(tmp_path, {"CONDOR_CONFIG": "ONLY_ENV"})
        named = {"_CONDOR_SEC_CLIENT_AUTHENTICATION_METHODS": "KERBEROS"}
        done = shell.run("condor", "ping", one.address, **named)
        assert done.status == 1 and "of SEC_CLIENT_AUTHENTICATION_METHODS we have none" in done.err
        done = shell.run(
            "condor", "ping", one.address, _CONDOR_SEC_CLIENT_AUTHENTICATION_METHODS="SSL"
        )
        assert done.status == 1 and "we have none" not in done.err


def test_what_is_typed_wrongly_is_status_2(shell: Shell) -> None:
    for words in (
        ["status", "--constraint", "Memory >"],
        ["status", "--limit", "0"],
        ["ping"],
        ["ping", "x", "--level", "GOD"],
        ["status", "--type", ""],
        ["locate"],
    ):
        done = shell.run("condor", *words)
        assert (done.status, done.out) == (2, "") and done.err.startswith("glasnost: error: ")


def test_a_name_that_nobody_has_is_said(tmp_path: Path) -> None:
    with beside(lambda: Daemon(answering([]))) as empty:
        shell = Shell(tmp_path, {"CONDOR_CONFIG": "ONLY_ENV"})
        at = f"127.0.0.1:{empty.port}"
        for command in ("locate", "ping", "explain"):
            done = shell.run("condor", command, "nobody", "--pool", at)
            done.failed(1, "no daemon of the pool is called nobody")
        done = shell.run("condor", "status", "--pool", at)
        assert (done.status, done.out, done.err) == (0, "", "glasnost: 0 ads of Machine\n")
