"""Whole hosts and networks: two daemons at once, a central host that boots, a cable pulled."""

from __future__ import annotations

import shutil
from functools import partial

import pytest

from tests.lab.fault_pool import DAEMONS, NAMES, FaultPool

pytestmark = pytest.mark.lab


def test_broker_and_agent_of_one_host_die_at_once(pool: FaultPool) -> None:
    world = pool.world
    with pool.traffic() as traffic:
        world.kill(pool.cm, "broker", "agent")
        world.wait_for("direct streams to go on", traffic.goes_on("direct"))
        world.wait_for("relayed streams to end", traffic.ended("relay"))
        world.restart(pool.cm, "broker", "agent")
        world.wait_for_names(pool.cm, NAMES, brokered=NAMES)
        world.wait_for("transfers of all kinds", traffic.more(20))
        _reach_everything(pool)
    pool.wait_until_nothing_grew()


def test_the_central_host_boots_again(pool: FaultPool) -> None:
    """All its daemons die, and its run directory is a new one; its home is what it has on disk."""
    world = pool.world
    with pool.traffic() as traffic:
        world.kill(pool.cm, *DAEMONS)
        shutil.rmtree(world.folder / "cm" / "run")
        world.wait_for("direct streams to go on", traffic.goes_on("direct"))
        world.wait_for("relayed streams to end", traffic.ended("relay"))
        world.restart(pool.cm, *DAEMONS)
        names = ("authority.cm", "directory.cm", "broker.cm", *NAMES)
        world.wait_for_agents([pool.cm])
        world.wait_for_names(pool.cm, names, brokered=NAMES)
        world.wait_for("transfers of all kinds", traffic.more(20))
        _reach_everything(pool)
    pool.wait_until_nothing_grew()


def test_a_site_is_cut_off_for_a_moment(pool: FaultPool) -> None:
    """TCP's own repetition is enough: nothing ends, and nobody else notices."""
    world = pool.world
    with pool.traffic() as traffic:
        pool.home.unplug()
        world.wait_for("direct streams to go on", traffic.goes_on("direct"))
        pool.home.plug()
        world.wait_for("streams of all kinds to go on", traffic.goes_on())
        _reach_everything(pool)
    pool.wait_until_nothing_grew()


@pytest.mark.slow
def test_a_site_is_cut_off_for_longer_than_a_lease(pool: FaultPool) -> None:
    """Both sides give each other up; the site is back within 10 s of its cable."""
    world = pool.world
    log = world.folder / "cm" / "broker.log"
    with pool.traffic() as traffic:
        registered = log.read_text().count("node7: registered from")
        pool.home.firewall("drop", "forward")
        world.wait_for("a target that is given up", lambda: _is_given_up(pool))
        pool.home.clear_firewall()
        world.wait_for(
            "the target", lambda: log.read_text().count("node7: registered from") > registered
        )
        _reach_everything(pool)
        world.wait_for("transfers of all kinds", traffic.more(20))
    pool.wait_until_nothing_grew()


def _is_given_up(pool: FaultPool) -> bool:
    fetched = pool.world.fetch(pool.laptop, "tty.node7", 1)
    return not fetched["ok"] and "no target is registered" in fetched["error"]


def _reach_everything(pool: FaultPool) -> None:
    for name in NAMES:
        pool.world.wait_for(name, partial(_is_reached, pool, name))


def _is_reached(pool: FaultPool, name: str) -> bool:
    return bool(pool.world.fetch(pool.laptop, name, 1)["ok"])
