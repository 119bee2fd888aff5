"""A host that moves, and one that sleeps: what others hear of it, and when they are heard again."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from glasnost.testing.lab import Host, Lab
from glasnost.testing.world import World

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("needs_lab")]

SIZE = 10_000
#: Seconds of silence after which these daemons take each other for dead.
DEAD_AFTER = 3


class Pool:
    """A pool's first host, and a laptop behind a NAT that serves ``web``."""

    def __init__(self, lab: Lab, world: World) -> None:
        self.lab, self.world = lab, world
        home = lab.site("home", nat="masquerade", inbound="drop")
        self.cm = lab.host("cm")
        self.laptop = lab.host("laptop", home)
        lab.up()
        world.found(self.cm)
        for role in ("agent", "authority", "directory", "broker"):
            world.start(self.cm, role)
        world.wait_for_agents([self.cm])
        world.wait_for_names(self.cm, ["authority.cm", "directory.cm", "broker.cm"])
        world.join(self.cm, [self.laptop], {"laptop": ["lan"]})
        world.start(self.laptop, "agent")
        world.wait_for_agents([self.laptop])
        world.serve(self.laptop, "web")
        world.wait_for_names(self.cm, ["web.laptop"], brokered=["web.laptop"])

    def record(self) -> str:
        """Where the directory says that ``web`` is; nothing while it knows none."""
        found = self.world.glasnost(self.cm, "lookup", "web.laptop", "--json", check=False)
        return str(json.loads(found)["address"]) if found else ""

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.world.glasnost(self.laptop, "status", "--json"))
        return found

    def ip(self, *commands: str) -> None:
        """Commands of iproute2 on the laptop, in one go."""
        self.laptop.run(["ip", "-batch", "-"], input="\n".join(commands), text=True, check=True)

    def said(self, host: Host, text: str) -> int:
        return self.world.log(host).count(text)


@pytest.fixture(scope="module")
def pool(lab_reason: str | None) -> Iterator[Pool]:
    if lab_reason is not None:
        pytest.skip(lab_reason)
    with Lab() as lab, World(lab, f"dead_after = {DEAD_AFTER}") as world:
        yield Pool(lab, world)


def test_a_record_follows_an_address_that_comes_and_goes(pool: Pool) -> None:
    """Told by the kernel: the agent looks by itself only once a minute."""
    before = pool.status()["host"]
    route = "lan/ip4:192.168.1.77:9618/service:web"
    pool.ip("addr add 192.168.1.77/24 dev eth0")
    pool.world.wait_for("the new address", lambda: route in pool.record())
    pool.ip("addr del 192.168.1.77/24 dev eth0")
    pool.world.wait_for("its end", lambda: route not in pool.record())
    after = pool.status()["host"]
    assert after["changes"] - before["changes"] == 2
    assert after["told"] - before["told"] >= 2
    assert pool.said(pool.laptop, "no longer has the address") == 0


def test_a_laptop_that_moves_is_met_at_its_new_place(pool: Pool) -> None:
    """Its connections began at an address that it no longer has: they are ended at once, and made
    anew from the new one, so the record need not wait until somebody notices their silence."""
    pool.ip(
        "addr flush dev eth0 scope global",
        "addr add 192.168.1.88/24 dev eth0",
        "route replace default via 192.168.1.1",
    )
    moved = "lan/ip4:192.168.1.88:9618/service:web"
    pool.world.wait_for(
        "the new place", lambda: moved in pool.record() and "192.168.1.2:" not in pool.record()
    )
    gone = "this host no longer has the address 192.168.1.2"
    assert pool.said(pool.laptop, gone) >= 1
    pool.world.wait_for("a call", lambda: pool.world.fetch(pool.cm, "web.laptop", SIZE)["ok"])


def test_a_laptop_that_sleeps_is_given_up_and_comes_back(pool: Pool) -> None:
    """Stopped, as by a lid: the broker and the directory notice its silence. When it goes on, it
    looks at its connections at once, finds them dead, and is registered again."""
    world, silent = pool.world, "laptop was silent for"
    agent = world.processes["laptop", "agent"]
    registered, dead = pool.said(pool.cm, "laptop: registered"), pool.said(pool.cm, silent)
    agent.send_signal(signal.SIGSTOP)
    try:
        world.wait_for("the broker's patience", lambda: pool.said(pool.cm, silent) > dead)
    finally:
        agent.send_signal(signal.SIGCONT)
    world.wait_for(
        "the laptop, back", lambda: pool.said(pool.cm, "laptop: registered") > registered
    )
    world.wait_for("a call", lambda: world.fetch(pool.cm, "web.laptop", SIZE)["ok"])


def test_a_cut_link_is_noticed_on_both_sides(pool: Pool) -> None:
    """Packets vanish: no reset tells anybody. Each side gives the other up by its own clock."""
    world = pool.world
    silent = {
        pool.cm: "laptop was silent for",
        pool.laptop: "broker.cm was silent for",
    }
    before = {host: pool.said(host, text) for host, text in silent.items()}
    registered = pool.said(pool.cm, "laptop: registered")
    pool.laptop.firewall("ip daddr != 127.0.0.0/8 drop", hook="output")
    pool.laptop.firewall("ip saddr != 127.0.0.0/8 drop")
    try:
        for host, text in silent.items():
            world.wait_for(
                f"{host.name}'s patience",
                lambda: pool.said(host, text) > before[host],  # noqa: B023
            )
    finally:
        pool.laptop.clear_firewall()
    world.wait_for("both again", lambda: pool.said(pool.cm, "laptop: registered") > registered)
    world.wait_for("a call", lambda: world.fetch(pool.cm, "web.laptop", SIZE)["ok"])
