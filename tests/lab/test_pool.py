"""A pool of real daemons in a lab: what a user does, by hand and by mistake, and what breaks."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from glasnost.testing.lab import Host, Lab
from glasnost.testing.world import World
from tests.cli.conftest import Running

ROOT = Path(__file__).resolve().parent.parent.parent
SIZE = 300_000
FULL = "demo.glasnost.internal"

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("needs_lab")]


class Pool:
    """A broker's host, a public host, one host behind each of two NATs, and one with a firewall
    that nobody can dial back to."""

    def __init__(self, lab: Lab, world: World) -> None:
        self.lab, self.world = lab, world
        home = lab.site("home", nat="masquerade", inbound="drop")
        office = lab.site("office", nat="random", inbound="drop")
        self.cm = lab.host("cm")
        self.alice = lab.host("alice")
        self.node7 = lab.host("node7", home)
        self.laptop = lab.host("laptop", office)
        self.solo = lab.host("solo", ip6=False)
        self.stranger = lab.host("stranger")
        lab.up()
        self.solo.firewall("tcp dport 9618 drop")

    @property
    def members(self) -> list[Host]:
        return [self.alice, self.node7, self.laptop, self.solo]

    def start(self) -> None:
        world = self.world
        world.found(self.cm)
        for role in ("agent", "authority", "directory", "broker"):
            world.start(self.cm, role)
        world.wait_for_agents([self.cm])
        world.wait_for_names(self.cm, ["authority.cm", "directory.cm", "broker.cm"])
        world.join(self.cm, self.members, {})
        for host in self.members:
            world.start(host, "agent")
        world.wait_for_agents(self.members)
        world.serve(self.alice, "web")
        world.serve(self.node7, "jupyter")
        names = ["web.alice", "jupyter.node7"]
        world.wait_for_names(self.cm, names, brokered=names)


@pytest.fixture(scope="module")
def pool(lab_reason: str | None) -> Iterator[Pool]:
    if lab_reason is not None:
        pytest.skip(lab_reason)
    with Lab() as lab, World(lab) as world:
        pool = Pool(lab, world)
        pool.start()
        yield pool


def run(
    pool: Pool, host: Host, *arguments: str, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    """One command of a user, with all that it said."""
    return host.run(
        World.command(*arguments),
        env=pool.world.environment(host),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
    )


# --- names and commands ---------------------------------------------------------------------------


def test_an_unknown_name_is_one_sentence_and_status_1(pool: Pool) -> None:
    done = run(pool, pool.alice, "connect", "nothing.node7")
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("glasnost: error: ") and "nothing.node7" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["", "a b.node7", "web", "x.y.z.example.org", "web.node7\x1b[2J"])
def test_a_text_that_is_no_name_is_said_to_be_none(pool: Pool, name: str) -> None:
    done = run(pool, pool.alice, "lookup", name)
    assert done.returncode == 1 and "is not a usable name" in done.stderr
    assert "\x1b" not in done.stderr and "Traceback" not in done.stderr


def test_two_services_cannot_have_one_name(pool: Pool) -> None:
    done = run(pool, pool.alice, "expose", "web", "--to", "127.0.0.1:1")
    assert done.returncode == 1
    assert done.stderr.strip() == "glasnost: error: a service 'web' is registered on alice already"


def test_ls_lookup_and_explain_answer_people_and_programs(pool: Pool) -> None:
    listed = json.loads(run(pool, pool.laptop, "ls", "--json").stdout)
    assert {f"web.alice.{FULL}", f"jupyter.node7.{FULL}"} <= {one["name"] for one in listed}
    record = json.loads(run(pool, pool.laptop, "lookup", "jupyter.node7", "--json").stdout)
    assert "/ccb:node7/service:jupyter" in record["address"] and record["protection"] == "sealed"
    plan = json.loads(run(pool, pool.laptop, "explain", "jupyter.node7", "--json").stdout)
    assert plan["candidates"] and plan["rejected"]
    assert "jupyter.node7" in run(pool, pool.laptop, "ls").stdout
    assert "relay" in run(pool, pool.laptop, "explain", "jupyter.node7").stdout


def test_connect_carries_standard_input_and_output(pool: Pool) -> None:
    """By the agent's hand and a socket pair: the peer's protocol, spoken by hand."""
    size = (5).to_bytes(8, "big") + b"hello"
    done = pool.alice.run(
        World.command("connect", "jupyter.node7"),
        env=pool.world.environment(pool.alice),
        input=size,
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout) == 32 + 5 + 32


def test_expose_and_forward_serve_programs_that_know_nothing(pool: Pool, tmp_path: Path) -> None:
    (tmp_path / "hello.txt").write_text("by name\n")
    web = [sys.executable, "-m", "http.server", "8000", "--bind", "127.0.0.1"]
    server = pool.node7.popen(
        web, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT
    )
    exposing = _running(pool, pool.node7, "expose", "files", "--to", "127.0.0.1:8000")
    forwarding = _running(pool, pool.laptop, "forward", "9000", "files.node7")
    try:
        pool.world.wait_for("curl", lambda: _curl(pool.laptop) == "by name\n")
    finally:
        for process in (forwarding, exposing, server):
            process.terminate()
            process.communicate()
    assert forwarding.returncode == exposing.returncode == 0


def _running(pool: Pool, host: Host, *arguments: str) -> subprocess.Popen[str]:
    """A command that goes on; back when it has said that it is ready."""
    process = host.popen(
        World.command(*arguments),
        env=pool.world.environment(host),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None and process.stdout.readline()
    return process


def _curl(host: Host) -> str:
    done = host.run(
        ["curl", "-s", "http://127.0.0.1:9000/hello.txt"], capture_output=True, text=True
    )
    return str(done.stdout)


# --- joining --------------------------------------------------------------------------------------


def test_a_token_works_once_and_only_whole_and_in_time(pool: Pool, tmp_path: Path) -> None:
    world, cm = pool.world, pool.cm
    token = world.glasnost(cm, "token", "create", "--node", "guest")
    late = world.glasnost(cm, "token", "create", "--node", "late", "--lifetime", "0")

    def join(text: str, home: str) -> subprocess.CompletedProcess[str]:
        environment = world.environment(pool.stranger) | {"GLASNOST_HOME": str(tmp_path / home)}
        environment["GLASNOST_CONFIG"] = str(world.folder / "alice" / "glasnost.toml")
        return pool.stranger.run(
            World.command("join"),
            env=environment,
            input=text,
            capture_output=True,
            text=True,
            timeout=60,
        )

    broken = join(token[:40] + ("A" if token[40] != "A" else "B") + token[41:], "broken")
    assert broken.returncode == 1 and "token" in broken.stderr
    expired = join(late, "late")
    assert expired.returncode == 1 and "has expired" in expired.stderr
    assert join(token, "guest").returncode == 0
    again = join(token, "again")
    assert again.returncode == 1 and "has been used" in again.stderr
    for failed in (broken, expired, again):
        assert len(failed.stderr.splitlines()) == 1 and "Traceback" not in failed.stderr
    assert not any((tmp_path / home / "pool.json").exists() for home in ("broken", "late", "again"))
    key = tmp_path / "guest" / "node.key"
    assert key.stat().st_mode & 0o777 == 0o600
    assert key.parent.stat().st_mode & 0o777 == 0o700


# --- the library ----------------------------------------------------------------------------------


def test_the_readmes_example_runs_with_an_agent_and_without(pool: Pool, tmp_path: Path) -> None:
    example = [sys.executable, str(ROOT / "examples" / "greeter.py")]
    environment = pool.world.environment(pool.alice)
    options = {"capture_output": True, "text": True, "timeout": 60}
    with_agent = pool.alice.run(example, env=environment, **options)
    assert re.fullmatch(r"hello, \S+@alice\n", with_agent.stdout), with_agent.stderr
    # The same identity, and no agent to be found: the program is a node by itself.
    alone = environment | {"GLASNOST_RUN": str(tmp_path / "nobody")}
    without = pool.alice.run(example, env=alone, **options)
    assert re.fullmatch(r"hello, \S+@alice\n", without.stdout), without.stderr


def test_the_blocking_call_gives_an_ssl_socket(pool: Pool) -> None:
    program = (
        "import glasnost, ssl\n"
        "sock = glasnost.create_connection('jupyter.node7', timeout=20)\n"
        "assert isinstance(sock, ssl.SSLSocket), sock\n"
        "sock.sendall((3).to_bytes(8, 'big') + b'abc')\n"
        "got = b''\n"
        "while len(got) < 67: got += sock.recv(100)\n"
        "sock.close()\n"
        "print(len(got))\n"
    )
    done = pool.laptop.run(
        [sys.executable, "-c", program],
        env=pool.world.environment(pool.laptop),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout == "67\n", done.stderr


# --- strangers ------------------------------------------------------------------------------------


def test_a_stranger_at_the_port_gets_no_further_than_a_sentence(pool: Pool) -> None:
    from glasnost.core.wire.header import (
        ANSWER,
        PREFIX_SIZE,
        Call,
        body_size,
        decode_answer,
        encode_call,
    )

    assert pool.alice.ip4 is not None
    with pool.stranger.inside():
        sock = socket.create_connection((pool.alice.ip4, 9618), timeout=20)
    with sock:
        sock.sendall(encode_call(Call(to="nothing")))
        prefix = sock.recv(PREFIX_SIZE)
        answer = decode_answer(sock.recv(body_size(prefix, ANSWER)))
        assert answer.code == "no-service"
        assert sock.recv(1) == b""


# --- what paths share -----------------------------------------------------------------------------


def test_two_ways_through_one_broker_make_one_connection_to_it(pool: Pool) -> None:
    """The dial-back is lost in a firewall, and the relay is asked for on the same connection: it,
    and the two legs, are all that the broker is called."""

    def calls() -> int:
        status = json.loads(pool.world.glasnost(pool.cm, "status", "--json"))
        return int(status["services"]["broker"])

    before = calls()
    fetched = pool.world.fetch(pool.solo, "jupyter.node7", SIZE)
    assert fetched["ok"] and fetched["ways"] == ["relay"] and fetched["begun"] == 2, fetched
    assert calls() - before == 3


def test_a_stream_that_is_cut_is_no_end_for_connect_either(pool: Pool) -> None:
    """Nobody listens where ``expose`` leads: the sealed stream is cut, and the command says so."""
    exposing = _running(pool, pool.node7, "expose", "void", "--to", "127.0.0.1:1")
    try:
        pool.world.wait_for_names(pool.laptop, ["void.node7"], brokered=["void.node7"])
        done = run(pool, pool.laptop, "connect", "void.node7")
    finally:
        exposing.terminate()
        exposing.communicate()
    assert done.returncode == 1 and "cut" in done.stderr, done


def test_a_ping_says_what_every_stage_took_with_an_agent_and_without(
    pool: Pool, tmp_path: Path
) -> None:
    # The same identity, and no agent to be found: the command is a node by itself.
    alone = {"GLASNOST_RUN": str(tmp_path / "nobody")}
    to_broker = ["connect", "send header", "TLS with broker"]
    ends = ["send header", "TLS handshake", "accept"]
    did = {
        "dial-back": [*to_broker, "dial-back", *ends],
        "relay": [*to_broker, "ask for relay", "connect", "send header", *ends],
    }
    for more in ({}, alone):
        tried = _pinged(pool, pool.alice, 0, "--all", **more)
        assert all(one["reached"] for one in tried), tried
        by_way = {one["how"]: [each["did"] for each in one["stages"]] for one in tried}
        assert by_way == {
            "stage 3 dials back": did["dial-back"],
            "stage 3 relays": did["relay"],
        }


def test_a_ping_of_every_path_says_which_fails_where(pool: Pool) -> None:
    """The dial-back is lost in a firewall; the relay leads there all the same."""
    tried = _pinged(pool, pool.solo, 0, "--all", "--timeout", "2")
    assert [(one["how"], one["reached"]) for one in tried] == [
        ("stage 3 dials back", False),
        ("stage 3 relays", True),
    ]
    assert (
        tried[0]["failed"]["text"] == "ccb:node7" and tried[0]["stages"][-1]["did"] == "dial-back"
    )


def _pinged(
    pool: Pool, host: Host, status: int, *options: str, **more: str
) -> list[dict[str, Any]]:
    """What a ping says of every path that it tried."""
    done = host.run(
        World.command("ping", "jupyter.node7", "--json", *options),
        env=pool.world.environment(host) | more,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == status, done.stderr
    tried: list[dict[str, Any]] = json.loads(done.stdout)["tried"]
    return tried


# --- the broker dies ------------------------------------------------------------------------------


def test_a_broker_that_dies_takes_only_what_it_relays(pool: Pool) -> None:
    """Direct connections go on, relayed ones end with a named error, new ones come soon."""
    world = pool.world
    direct = _holding(pool, pool.alice, "jupyter.node7")
    relayed = _holding(pool, pool.laptop, "jupyter.node7")
    world.kill(pool.cm, "broker")
    out, _ = relayed.communicate(timeout=60)
    assert out.startswith("PathCut: "), out
    assert direct.stdin is not None
    direct.stdin.write("go\n")
    direct.stdin.close()
    direct.stdin = None
    out, _ = direct.communicate(timeout=60)
    assert out == "whole\n"
    world.start(pool.cm, "broker")
    world.wait_for(
        "a relayed connection", lambda: world.fetch(pool.laptop, "jupyter.node7", SIZE)["ok"]
    )
    again = world.fetch(pool.alice, "jupyter.node7", SIZE)
    assert again["ok"] and again["ways"] == ["dial-back"], again


HOLD = """
import asyncio, sys
from glasnost.errors import PathCut
from glasnost.net.streams import streams
from glasnost.node import Node

async def main():
    async with Node() as node:
        connected = await node.connect(sys.argv[1])
    reader, writer = await streams(connected.result)
    print("held", flush=True)
    try:
        told = asyncio.ensure_future(asyncio.to_thread(sys.stdin.readline))
        reading = asyncio.ensure_future(reader.read(1))
        await asyncio.wait({told, reading}, return_when=asyncio.FIRST_COMPLETED)
        if reading.done():
            reading.result()
            print("ended without an error")
        else:
            writer.write((3).to_bytes(8, "big") + b"abc")
            first = await reading
            rest = await reader.readexactly(66)
            print("whole" if len(first + rest) == 67 else "short")
            writer.close()
    except PathCut as error:
        print(f"PathCut: {error}")

asyncio.run(main())
sys.stdout.flush()
import os
os._exit(0)
"""


def _holding(pool: Pool, host: Host, name: str) -> subprocess.Popen[str]:
    """A client that has connected, and waits: for a line, or for the end of its stream."""
    process = host.popen(
        [sys.executable, "-c", HOLD, name],
        env=pool.world.environment(host),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stderr is not None
    line = process.stdout.readline()
    assert line == "held\n", process.stderr.read()
    return process


# --- the directory dies ---------------------------------------------------------------------------


@pytest.mark.parametrize("agent", ["with an agent", "without one"])
def test_a_watch_goes_on_when_the_directory_is_back(pool: Pool, tmp_path: Path, agent: str) -> None:
    """It tells what was missed, and nothing twice."""
    world = pool.world
    alone = {"GLASNOST_RUN": str(tmp_path / "nobody")} if agent == "without one" else {}
    process = pool.alice.popen(
        World.command("watch", "--json"),
        env=world.environment(pool.alice) | alone,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    watching = Running(process, [])
    watching.until('"ready"')
    present = [json.loads(line).get("name") for line in watching.lines]
    assert f"jupyter.node7.{FULL}" in present
    world.kill(pool.cm, "directory")
    watching.until('"away"')
    late = _running(pool, pool.node7, "expose", "late", "--to", "127.0.0.1:1")
    world.start(pool.cm, "directory")
    watching.until('"back"')
    appeared = json.loads(watching.until(f'"late.node7.{FULL}"'))
    late.terminate()
    late.communicate()
    gone = json.loads(watching.until('"gone"'))
    assert watching.interrupt() == 0
    assert (appeared["event"], gone["name"]) == ("appeared", f"late.node7.{FULL}")
    told = [json.loads(line) for line in watching.lines]
    again = [one for one in told if one["event"] == "appeared" and one["name"] in present]
    assert not again


# --- certificates ---------------------------------------------------------------------------------


@pytest.mark.slow
def test_certificates_of_ten_seconds_renew_while_it_runs(lab: Lab) -> None:
    """The node's own, the agent's leaf and a service's: each is replaced before it ends."""
    with World(lab) as world:
        cm, bob = lab.host("cm"), lab.host("bob")
        lab.up()
        world.found(cm)
        for role, *options in (
            ("agent",),
            ("authority", "--node-lifetime", "10"),
            ("directory",),
        ):
            world.start(cm, role, *options)
        world.wait_for_agents([cm])
        world.wait_for_names(cm, ["authority.cm", "directory.cm"])
        world.join(cm, [bob], {})
        first = (world.folder / "bob" / "node.crt").read_bytes()
        world.start(bob, "agent")
        world.wait_for_agents([bob])
        world.serve(bob, "web")
        seen = {first}

        def renewed_thrice() -> bool:
            seen.add((world.folder / "bob" / "node.crt").read_bytes())
            return len(seen) > 3  # so the first and the second have expired by now

        world.wait_for("three renewals", renewed_thrice)
        fetched = world.fetch(cm, "web.bob", SIZE)
        assert fetched["ok"], fetched
        assert os.stat(world.folder / "bob" / "node.crt").st_mode & 0o777 == 0o600
