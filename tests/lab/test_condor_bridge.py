"""A pool of HTCondor's that knows nothing of us, bridged from a node beside it: its daemons have
names for a client behind a NAT of its own, those behind NAT and broker as well."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

import pytest

from glasnost.condor.classad import Ad
from glasnost.condor.server.settings import Served
from glasnost.testing.lab import Host, Lab
from glasnost.testing.world import World
from tests.condor.bridge.ads import ad
from tests.condor.daemon import answering
from tests.lab.condor_site import address_of, ask, behind, beside, broker, shared

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("needs_lab")]

#: HTCondor's settings are this and no file of the machine's.
CONDOR = {"CONDOR_CONFIG": "ONLY_ENV"}


def commands(ads: list[Ad]) -> Mapping[int, Served]:
    return {one: Served.of(one, handler) for one, handler in answering(ads).items()}


class Pool:
    """HTCondor's: ``cm`` with collector and broker, ``submit`` on the internet, ``execute`` behind
    a NAT, and what the collector heard of a machine that nobody can reach. Ours: ``node``, where
    the bridge runs, and ``desk``, behind another NAT."""

    def __init__(self, lab: Lab, world: World, stack: ExitStack) -> None:
        self.world = world
        campus, office = lab.site("campus"), lab.site("office", ip4="192.168.9.0/24")
        cm, submit = lab.host("cm", ip6=False), lab.host("submit", ip6=False)
        execute = lab.host("execute", campus)
        self.node, self.desk = lab.host("node", ip6=False), lab.host("desk", office)
        lab.up()
        self.ads: list[Ad] = []
        stack.enter_context(beside(cm, lambda: broker(cm, commands(self.ads))))
        schedd = stack.enter_context(
            beside(submit, lambda: shared(submit, "schedd_1", dict(commands([]))))
        )
        startd = stack.enter_context(beside(execute, lambda: behind(execute, cm)))
        self.submit = ad(name="submit", address=schedd)
        self.ads += [
            ad("Collector", "cm", str(address_of(cm, "collector")), DaemonStartTime=1),
            self.submit,
            ad("Machine", "slot1@execute", startd.address),
            ad("StartD", "lost", "<10.77.0.1:9618?sock=startd_1>"),
        ]
        world.variables |= {"node": CONDOR, "desk": CONDOR}
        world.found(self.node)
        for role in ("agent", "authority", "directory"):
            world.start(self.node, role)
        world.wait_for_agents([self.node])
        world.wait_for_names(self.node, ["authority.node", "directory.node"])
        world.join(self.node, [self.desk], {})
        world.start(self.desk, "agent")
        world.wait_for_agents([self.desk])
        self.place = str(cm.ip4)
        words = ("bridge", "--pool", self.place, "--every", "1", "--network", "campus")
        world.start(self.node, "condor", *words)
        world.wait_for_names(self.desk, ["schedd-submit.node", "startd-execute.node"])

    @contextmanager
    def forwarded(self, host: Host, port: int, name: str) -> Iterator[str]:
        """A daemon at a port of loopback; its address there."""
        command = self.world.command("forward", str(port), name)
        process = host.popen(command, env=self.world.environment(host))
        try:
            self.world.wait_for(f"{name} at {port}", lambda: listens(host, port))
            yield f"<127.0.0.1:{port}>"
        finally:
            process.terminate()
            process.wait()


def listens(host: Host, port: int) -> bool:
    told = host.run(["ss", "-Hltn", f"sport = :{port}"], capture_output=True, text=True)
    return bool(told.stdout.strip())


@pytest.fixture(scope="module")
def pool(lab_reason: str | None) -> Iterator[Pool]:
    if lab_reason is not None:
        pytest.skip(lab_reason)
    with Lab() as lab, World(lab) as world, ExitStack() as stack:
        yield Pool(lab, world, stack)


@pytest.mark.parametrize("name", ["schedd-submit.node", "startd-execute.node"])
def test_a_daemon_is_pinged_by_its_name_from_behind_a_nat(pool: Pool, name: str) -> None:
    """It is a daemon of HTCondor's that answers, through its broker where it has to be."""
    with pool.forwarded(pool.desk, 9901, name) as address:
        pinged = ask(pool.desk, lambda one: one.ping(address))
    assert pinged.allowed


def test_an_agent_that_does_not_serve_htcondor_is_helped_by_a_relay(pool: Pool) -> None:
    """It can be dialled, but not by who asks its port for an id in HTCondor's words."""
    told = pool.world.glasnost(pool.node, "explain", "startd-execute.node")
    assert "tried in this order" in told and "dials back" in told, told
    with pool.forwarded(pool.node, 9903, "startd-execute.node") as address:
        begun = time.monotonic()
        assert ask(pool.node, lambda one: one.ping(address)).allowed
    assert time.monotonic() - begun < 5


def test_the_way_is_explained(pool: Pool) -> None:
    told = " ".join(pool.world.glasnost(pool.desk, "explain", "startd-execute.node").split())
    assert "relay" in told and "condor.ccb:" in told
    assert "we can be reached nowhere" in told
    told = pool.world.glasnost(pool.desk, "explain", "schedd-submit.node")
    assert "condor.sock:schedd_1" in told


def test_one_command_says_who_of_the_pool_is_cut_off(pool: Pool) -> None:
    words = ("condor", "matrix", "--pool", pool.place, "--network", "campus", "--json")
    (section,) = json.loads(pool.world.glasnost(pool.node, *words))
    assert section["forth"]["pairs"] == {"yes": 1, "maybe": 0, "no": 1}
    assert section["forth"]["unreachable"] == [["schedd submit", "startd lost"]]
    (broken,) = section["forth"]["broken"]
    assert any("campus" in one["reason"] for one in broken["reasons"])
    assert any(one["what"] == "broker" for one in broken["remedies"])


def test_what_comes_and_goes_in_the_pool_comes_and_goes_here(pool: Pool) -> None:
    pool.ads.append(ad("Negotiator", "cm", "<192.0.2.77:1>"))
    pool.world.wait_for_names(pool.desk, ["negotiator-cm.node"])
    pool.ads.pop()

    def gone() -> bool:
        return "negotiator-cm" not in pool.world.glasnost(pool.desk, "ls")

    pool.world.wait_for("the negotiator's end", gone)


def test_a_bridge_that_is_killed_leaves_nothing_and_comes_back(pool: Pool) -> None:
    world = pool.world
    world.kill(pool.node, "condor")
    world.wait_for("its end", lambda: "schedd-submit" not in world.glasnost(pool.desk, "ls"))
    world.restart(pool.node, "condor")
    world.wait_for_names(pool.desk, ["schedd-submit.node", "startd-execute.node"])


def test_an_agent_that_is_killed_is_told_again(pool: Pool) -> None:
    world = pool.world
    world.kill(pool.node, "agent")
    world.restart(pool.node, "agent")
    world.wait_for_agents([pool.node])
    world.wait_for_names(pool.desk, ["schedd-submit.node", "startd-execute.node"])
    with pool.forwarded(pool.desk, 9902, "startd-execute.node") as address:
        assert ask(pool.desk, lambda one: one.ping(address)).allowed
