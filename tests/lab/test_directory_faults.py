"""kill -9 of the directory under traffic: nothing that it has acknowledged is lost, and whoever
knows a name goes on."""

from __future__ import annotations

import signal

import pytest

from tests.lab.fault_pool import FaultPool

pytestmark = pytest.mark.lab


def test_clients_go_on_with_what_they_know(pool: FaultPool) -> None:
    world = pool.world
    with pool.traffic() as traffic:
        world.wait_for("a client that knows all names", traffic.more(40))
        world.kill(pool.cm, "directory")
        world.wait_for("streams of all kinds to go on", traffic.goes_on())
        world.wait_for("transfers of all kinds", traffic.more(20))
        unknown = world.fetch(pool.laptop, "nothing.alice", 1)
        assert not unknown["ok"] and "no directory answers" in unknown["error"], unknown
        world.restart(pool.cm, "directory")
        world.wait_for_names(pool.cm, ["web.alice", "jupyter.node7"])
        world.wait_for("streams of all kinds to go on", traffic.goes_on())
        world.wait_for("transfers of all kinds", traffic.more(20))
    assert traffic.stop().failed == {}, traffic.stop()
    pool.wait_until_nothing_grew()


def test_what_was_acknowledged_is_there_although_its_owner_is_not(pool: FaultPool) -> None:
    """The owner's agent is stopped, so that it cannot say again what the directory has lost."""
    world = pool.world
    world.serve(pool.alice, "fresh")
    world.wait_for_names(pool.cm, ["fresh.alice"])
    agent = world.processes["alice", "agent"]
    agent.send_signal(signal.SIGSTOP)
    world.kill(pool.cm, "directory")
    world.restart(pool.cm, "directory")
    names = ["web.alice", "raw.alice", "fresh.alice"]
    world.wait_for_names(pool.cm, names)
    agent.send_signal(signal.SIGCONT)
    world.kill(pool.alice, "service-fresh")
    world.wait_for("a withdrawn name", lambda: "fresh.alice" not in pool.listed())
    pool.wait_until_nothing_grew()
