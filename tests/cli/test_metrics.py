"""Metrics as an operator turns them on: by flag, by setting, and in the wrong place."""

from __future__ import annotations

import re
import socket
import urllib.request
from contextlib import ExitStack

from prometheus_client.parser import text_string_to_metric_families

from tests.cli.conftest import Running, Shell

WHERE = re.compile(r"metrics at (http://\S+)")


def names(running: Running) -> set[str]:
    """The metrics of a daemon, found by what it says of itself."""
    found = WHERE.search("".join(running.lines))
    assert found is not None
    with urllib.request.urlopen(found[1], timeout=20) as answer:
        text = answer.read().decode()
    return {family.name for family in text_string_to_metric_families(text)}


def test_every_daemon_has_its_own(fresh: Shell) -> None:
    """Each is also well, and says so where somebody asks only that."""
    assert fresh.run("init", "--pool", "lab", "--name", "cm").status == 0
    with ExitStack() as stack:
        for role, more in (
            ("agent", ["--port", "0"]),
            ("authority", []),
            ("directory", []),
            ("broker", []),
        ):
            command = [role, "--metrics", "0", *more]
            running = stack.enter_context(fresh.running(*command, ready="metrics at"))
            expiry = "node" if role == "agent" else role
            has = names(running)
            assert f"glasnost_{expiry}_certificate_expiry_timestamp_seconds" in has
            assert {"glasnost_loop_lag_seconds", "process_open_fds"} <= has
            found = WHERE.search("".join(running.lines))
            assert found is not None
            health = found[1].replace("/metrics", "/healthz")
            with urllib.request.urlopen(health, timeout=20) as answer:
                assert (answer.status, answer.read()) == (200, b"well\n")


def test_up_has_those_of_all_its_roles(fresh: Shell) -> None:
    with fresh.running("up", "--port", "0", "--metrics", "0", ready="metrics at") as up:
        has = names(up)
        for part in ("node", "broker", "directory", "authority"):
            assert f"glasnost_{part}_certificate_expiry_timestamp_seconds" in has


def test_a_place_that_is_taken_is_one_sentence(fresh: Shell) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = fresh.run("up", "--port", "0", "--metrics", port)
        assert done.status == 1
        assert f"cannot listen on 127.0.0.1 port {port}: Address already in use" in done.err


def test_a_place_that_is_none_is_one_sentence(fresh: Shell) -> None:
    fresh.run("up", "--metrics", "::1:9").failed(2, "an IPv6 address stands in brackets")
    said = fresh.run("up", GLASNOST_METRICS="here")
    said.failed(1, "GLASNOST_METRICS: 'here' is not [HOST:]PORT")
