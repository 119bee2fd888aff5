"""A pool on one machine, as README and tutorial show it."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import stat
import subprocess
import threading

import pytest

from tests.cli.conftest import GLASNOST, Shell


def test_ls_shows_what_has_a_name(host: Shell) -> None:
    done = host.run("ls")
    assert done.status == 0 and done.err == ""
    head, *rows = done.out.splitlines()
    assert head.split() == ["name", "protection", "relay", "routes", "renewed"]
    assert [row.split()[0] for row in rows] == ["authority.cm", "broker.cm", "directory.cm"]
    assert max(map(len, done.out.splitlines())) <= 80


def test_ls_of_a_pattern(host: Shell) -> None:
    assert [row.split()[0] for row in host.run("ls", "bro*").out.splitlines()[1:]] == ["broker.cm"]
    nothing = host.run("ls", "[[")
    assert (nothing.status, nothing.out) == (0, "")
    assert nothing.err == "glasnost: no name matches [[\n"


def test_programs_get_json(host: Shell) -> None:
    listed = json.loads(host.run("ls", "--json").out)
    assert {one["name"] for one in listed} > {"broker.cm.home.glasnost.internal"}
    assert json.loads(host.run("lookup", "broker.cm", "--json").out)["protection"] == "sealed"
    plan = json.loads(host.run("explain", "broker.cm", "--json").out)
    assert "/unix:" in plan["candidates"][0]["route"]
    assert json.loads(host.run("status", "--json").out)["node"] == "cm"


def test_lookup_explain_and_status_speak_to_people(host: Shell) -> None:
    assert "broker.cm.home.glasnost.internal" in host.run("lookup", "broker.cm").out
    explained = host.run("explain", "broker.cm").out
    assert "from here:" in explained and "tried in this order:" in explained
    status = host.run("status").out
    assert status.startswith("cm.home.glasnost.internal: agent on port ")
    assert "broker" in status and "told of everything" in status


def test_expose_forward_and_connect(host: Shell, echo: int) -> None:
    with (
        host.running("expose", "echo", "--to", f"127.0.0.1:{echo}", ready="echo.cm.") as exposing,
        host.running("forward", "0", "echo.cm", ready="leads to echo.cm.") as forwarding,
    ):
        assert host.run("connect", "echo.cm", stdin="by name\n").out == "by name\n"
        port = int(forwarding.lines[0].split()[0].rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=20) as sock:
            sock.sendall(b"through a local port\n")
            assert sock.makefile("rb").readline() == b"through a local port\n"
        assert "echo.cm" in host.run("ls").out
        assert forwarding.interrupt() == exposing.interrupt() == 0
    assert "echo.cm" not in host.run("ls").out


def test_forward_says_when_nobody_has_the_name(host: Shell) -> None:
    with host.running("forward", "0", "later.cm", ready="leads to") as forwarding:
        assert "nothing is called later.cm" in forwarding.until("nothing is called")


def test_connect_carries_much_in_both_directions_at_once(host: Shell, echo: int) -> None:
    """More than all the buffers between hold: neither direction may wait for the other."""
    with host.running("expose", "echo", "--to", str(echo), "--plain", ready="echo.cm."):
        done = host.sh(
            "set -o pipefail\n"
            "head -c 20000000 /dev/zero | tr '\\0' x | glasnost connect echo.cm | sha256sum"
        )
    assert done.status == 0, done.err
    assert done.out.split()[0] == hashlib.sha256(b"x" * 20_000_000).hexdigest()


@pytest.mark.parametrize("protection", [(), ("--plain",)], ids=["sealed", "plain"])
def test_connect_goes_on_after_the_far_side_has_ended(
    host: Shell, protection: tuple[str, ...]
) -> None:
    """A service that greets, says that it has no more to say, and takes an upload."""
    upload = os.urandom(1_500_000).hex()
    with socket.create_server(("127.0.0.1", 0)) as service:
        service.settimeout(20)
        number = service.getsockname()[1]
        with host.running("expose", "sink", "--to", str(number), *protection, ready="sink.cm."):
            process = host.popen("connect", "sink.cm", stdin=subprocess.PIPE)
            assert process.stdout is not None
            served, _ = service.accept()
            with served:
                served.settimeout(20)
                served.sendall(b"send it")
                served.shutdown(socket.SHUT_WR)
                assert process.stdout.read(7) == "send it"
                writing = threading.Thread(target=process.communicate, args=(upload,))
                writing.start()
                with served.makefile("rb") as received:
                    assert received.read() == upload.encode()
                writing.join()
            assert process.returncode == 0


def test_connect_takes_a_file_and_nothing_at_all(host: Shell, echo: int) -> None:
    with host.running("expose", "echo", "--to", str(echo), ready="echo.cm."):
        done = host.sh("glasnost connect echo.cm </etc/hostname | cmp - /etc/hostname")
        assert done.status == 0, done
        assert host.sh("glasnost connect echo.cm <&-").status == 0


def test_fdpass_hands_the_socket_over(host: Shell, echo: int) -> None:
    """As ssh wants it (ProxyUseFdpass): one byte and the descriptor, through standard output."""
    with host.running("expose", "echo", "--to", str(echo), "--plain", ready="echo.cm."):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            done = subprocess.run(
                [*GLASNOST, "connect", "--fdpass", "echo.cm"],
                env=host.complete(),
                stdout=theirs.fileno(),
                timeout=40,
            )
            assert done.returncode == 0
            _, fds, _, _ = socket.recv_fds(ours, 1, 1)
        with socket.socket(fileno=fds[0]) as passed:
            passed.settimeout(20)
            passed.setblocking(True)
            passed.sendall(b"mine\n")
            assert passed.recv(100) == b"mine\n"
        done_wrongly = host.run("connect", "--fdpass", "echo.cm")
        done_wrongly.failed(1, "standard output takes no socket", "ProxyUseFdpass")


@pytest.mark.parametrize(
    "typed", ["ls", "ls --json", "lookup broker.cm", "explain broker.cm", "--help"]
)
def test_a_reader_who_leaves_early_is_no_error(host: Shell, typed: str) -> None:
    done = host.sh(f"glasnost {typed} | head -c 1")
    assert done.status == 0 and len(done.out) == 1 and done.err == ""


def test_an_answer_that_cannot_be_written_is_an_error(host: Shell) -> None:
    host.sh("glasnost ls >/dev/full").failed(1, "cannot write the answer: no space left on device")
    host.sh("glasnost ls >&-").failed(1, "cannot write the answer: bad file descriptor")
    assert host.sh("glasnost ls <&-").out
    assert host.sh("glasnost ls 2>&-").out


def test_up_keeps_what_is_secret_to_itself(host: Shell) -> None:
    assert stat.S_IMODE(host.home.stat().st_mode) == 0o700
    run = host.home / "run"
    assert stat.S_IMODE(run.stat().st_mode) == 0o700
    assert stat.S_IMODE((run / "agent.sock").stat().st_mode) == 0o600
    assert stat.S_IMODE((host.home / "node.key").stat().st_mode) == 0o600
    loose = [path for path in host.home.rglob("*") if path.suffix == ".key"]
    assert loose and all(os.stat(path).st_mode & 0o077 == 0 for path in loose)


def test_a_token_is_the_only_line_on_stdout(host: Shell) -> None:
    done = host.run("token", "create", "--node", "laptop", "--at", "192.0.2.1:9618")
    assert done.status == 0
    assert done.out.startswith("glasnost-join-1.") and done.out.count("\n") == 1
    assert done.err == ("glasnost: lets in one node, laptop, within 1 h; pass it on as a secret\n")
