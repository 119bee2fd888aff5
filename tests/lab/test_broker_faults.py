"""kill -9 of the broker under traffic: what it relays is cut, all else goes on, targets return."""

from __future__ import annotations

import json
import re

import pytest

from tests.lab.fault_pool import FaultPool

pytestmark = pytest.mark.lab


def test_targets_return_to_a_broker_that_was_killed(pool: FaultPool) -> None:
    world = pool.world
    record, tried = _record(pool), _attempts(pool)
    with pool.traffic() as traffic:
        world.kill(pool.cm, "broker")
        world.wait_for("direct streams to go on", traffic.goes_on("direct"))
        world.wait_for("relayed streams to end", traffic.ended("relay"))
        world.wait_for("targets that have tried in vain", lambda: _attempts(pool) >= tried + 9)
        world.restart(pool.cm, "broker")
        world.wait_for(
            "all targets", lambda: set(_registered(pool)) == {"alice", "node7", "laptop"}
        )
        world.wait_for("transfers of all kinds", traffic.more(20))
        relayed = [one.error for one in traffic.report().held if one.way == "relay"]
    # On both sides; and a plain one, too, must not look as if that were all.
    for error, kind in zip(relayed, ("PathCut: ", "ConnectionResetError: "), strict=True):
        assert error.startswith(kind), relayed
        assert f"a caller was lost: {kind}" in world.log(pool.node7)
    assert len(set(_registered(pool).values())) > 1, "all in one instant"
    assert _record(pool) == record
    pool.wait_until_nothing_grew()


def _record(pool: FaultPool) -> object:
    """What is published of a service behind the broker, sequence and all."""
    return json.loads(pool.world.glasnost(pool.cm, "lookup", "jupyter.node7", "--json"))["address"]


def _attempts(pool: FaultPool) -> int:
    """How often targets have tried to register in vain."""
    return sum(pool.world.log(one).count("no route leads to broker.cm") for one in pool.members)


def _registered(pool: FaultPool) -> dict[str, str]:
    """The targets that the broker has welcomed since it began, and when."""
    log = (pool.world.folder / "cm" / "broker.log").read_text()
    return {
        node: when for when, node in re.findall(r"(\S+ \S+) INFO .*: (\w+): registered from", log)
    }
