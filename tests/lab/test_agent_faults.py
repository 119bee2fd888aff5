"""kill -9 of a host's agent under traffic: what it has handed over lives on, and who was registered
with it comes back by itself."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from glasnost.testing.lab import Host
from glasnost.testing.world import World
from tests.lab.fault_pool import NAMES, FaultPool

pytestmark = pytest.mark.lab


@pytest.mark.parametrize(("node", "name"), [("node7", "jupyter"), ("alice", "web")])
def test_services_return_to_an_agent_that_was_killed(pool: FaultPool, node: str, name: str) -> None:
    """Behind a NAT, and on the internet. While it is away, callers are told so."""
    world, host = pool.world, pool.lab.hosts[node]
    with pool.traffic() as traffic:
        world.kill(host, "agent")
        world.wait_for("streams of all kinds to go on", traffic.goes_on())
        fetched = world.fetch(pool.laptop, f"{name}.{node}", 1)
        assert not fetched["ok"] and "no route leads to" in fetched["error"], fetched
        world.restart(host, "agent")
        world.wait_for(
            "its services", lambda: bool(world.fetch(pool.cm, f"{name}.{node}", 1)["ok"])
        )
        world.wait_for("streams of all kinds to go on", traffic.goes_on())
        world.wait_for("transfers of all kinds", traffic.more(20))
    pool.wait_until_nothing_grew()


def test_clients_go_on_when_their_own_agent_returns(pool: FaultPool) -> None:
    """Whoever connects meanwhile is a node by himself, and in nobody's way."""
    world = pool.world
    with pool.traffic() as traffic:
        world.kill(pool.laptop, "agent")
        world.wait_for("streams of all kinds to go on", traffic.goes_on())
        world.wait_for("transfers without an agent", traffic.more(5))
        world.restart(pool.laptop, "agent")
        world.wait_for("streams of all kinds to go on", traffic.goes_on())
        world.wait_for("transfers of all kinds", traffic.more(20))
    pool.wait_until_nothing_grew()


def test_two_programs_that_serve_without_an_agent_are_both_reached(pool: FaultPool) -> None:
    """Behind a NAT: each by a contact of its own at the broker. Their agent finds its place."""
    world = pool.world
    world.kill(pool.laptop, "agent")
    for name in ("one", "two"):
        world.serve(pool.laptop, name)
    world.wait_for_names(pool.cm, ["one.laptop", "two.laptop"], ["one.laptop", "two.laptop"])
    for name in ("one.laptop", "two.laptop"):
        world.wait_for(name, partial(_fetched, pool, pool.alice, name))
    world.restart(pool.laptop, "agent")
    world.wait_for_agents([pool.laptop])
    world.serve(pool.laptop, "three")
    world.wait_for_names(pool.cm, ["three.laptop"], ["three.laptop"])
    for name in ("one.laptop", "two.laptop", "three.laptop"):
        world.wait_for(name, partial(_fetched, pool, pool.alice, name))
    world.kill(pool.laptop, "service-one", "service-two", "service-three")
    pool.wait_until_nothing_grew()


def _fetched(pool: FaultPool, host: Host, name: str) -> bool:
    return bool(pool.world.fetch(host, name, 1)["ok"])


def test_the_daemons_behind_an_agent_return(pool: FaultPool) -> None:
    """Of the central host: no name can be asked for, no broker be met, and nobody has died."""
    world = pool.world
    with pool.traffic() as traffic:
        world.kill(pool.cm, "agent")
        world.wait_for("streams of all kinds to go on", traffic.goes_on())
        world.wait_for("transfers by what is known", traffic.more(5))
        world.restart(pool.cm, "agent")
        names = ("authority.cm", "directory.cm", "broker.cm", *NAMES)
        world.wait_for_names(pool.cm, names, brokered=NAMES)
        world.wait_for("streams of all kinds to go on", traffic.goes_on())
        world.wait_for("transfers of all kinds", traffic.more(20))
    pool.wait_until_nothing_grew()


def test_expose_and_forward_return(pool: FaultPool, tmp_path: Path) -> None:
    world = pool.world
    (tmp_path / "hello.txt").write_text("by name\n")
    web = [sys.executable, "-m", "http.server", "8000", "--bind", "127.0.0.1"]
    with (
        _running(pool.node7, web, cwd=tmp_path, stderr=subprocess.DEVNULL),
        _running(pool.node7, World.command("expose", "files", "--to", "127.0.0.1:8000"),
                 env=world.environment(pool.node7)),
        _running(pool.laptop, World.command("forward", "9000", "files.node7"),
                 env=world.environment(pool.laptop)),
    ):  # fmt: skip
        world.wait_for("the page", lambda: _page(pool.laptop) == "by name\n")
        for host in (pool.node7, pool.laptop):
            world.kill(host, "agent")
        assert _page(pool.laptop) == ""
        for host in (pool.node7, pool.laptop):
            world.restart(host, "agent")
        world.wait_for("the page", lambda: _page(pool.laptop) == "by name\n")
    world.wait_for("a withdrawn name", lambda: "files.node7" not in pool.listed())
    pool.wait_until_nothing_grew()


@contextmanager
def _running(host: Host, command: list[str], **options: object) -> Iterator[None]:
    process = host.popen(command, stdout=subprocess.DEVNULL, **options)
    yield
    process.terminate()
    process.wait()


def _page(host: Host) -> str:
    curl = ["curl", "-s", "--max-time", "20", "http://127.0.0.1:9000/hello.txt"]
    return str(host.run(curl, capture_output=True, text=True).stdout)
