"""`glasnost doctor` on hosts that stand differently: each is told how it is seen from outside."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from glasnost.testing.lab import Host, Lab
from glasnost.testing.world import World

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("needs_lab")]

OUTSIDE = "incoming, from outside"


class Pool:
    """A broker's host, one host in the open, one that has IPv6 only, one with a firewall of its
    own; behind two NATs one host, and one whose port the router forwards."""

    def __init__(self, lab: Lab, world: World) -> None:
        self.world = world
        home = lab.site("home", nat="masquerade", inbound="drop")
        office = lab.site("office", nat="masquerade", inbound="drop")
        self.cm = lab.host("cm")
        self.open = lab.host("open")
        self.six = lab.host("six", ip4=False)
        self.walled = lab.host("walled", ip6=False)
        self.inside = lab.host("inside", home)
        self.forwarded = lab.host("forwarded", office)
        self.office = office
        lab.up()
        self.walled.firewall("tcp dport 9618 drop")
        office.publish(9618, self.forwarded)

    @property
    def members(self) -> list[Host]:
        return [self.open, self.six, self.walled, self.inside, self.forwarded]

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
        world.wait_for("all at their broker", lambda: all(map(self.registered, self.members)))

    def registered(self, host: Host) -> bool:
        said = self.world.glasnost(host, "status", "--json", check=False)
        brokers = json.loads(said or "{}").get("brokers", {})
        return any(one["state"] == "registered" for one in brokers.values())


@dataclass(frozen=True)
class Told:
    """What one doctor said."""

    status: int
    findings: list[dict[str, str]]
    facts: dict[str, Any]

    def of(self, area: str) -> list[tuple[str, str, str]]:
        found = [one for one in self.findings if one["area"] == area]
        return [(one["severity"], one["what"], one["do"]) for one in found]


def ask(pool: Pool, hosts: Sequence[Host], **more: str) -> list[Told]:
    """All of them at once: a broker waits five seconds for each that does not answer."""
    begun = [
        host.popen(
            World.command("doctor", "--json"),
            env=pool.world.environment(host) | more,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for host in hosts
    ]
    told = []
    for process in begun:
        out, problem = process.communicate(timeout=60)
        assert problem == "", problem
        said = json.loads(out)
        told.append(Told(process.returncode, said["findings"], said["facts"]))
    return told


@pytest.fixture(scope="module")
def pool(lab_reason: str | None) -> Iterator[Pool]:
    if lab_reason is not None:
        pytest.skip(lab_reason)
    with Lab() as lab, World(lab) as world:
        pool = Pool(lab, world)
        pool.start()
        yield pool


@pytest.fixture(scope="module")
def said(pool: Pool) -> dict[str, Told]:
    return dict(zip((one.name for one in pool.members), ask(pool, pool.members), strict=True))


def test_nobody_has_a_problem(said: dict[str, Told]) -> None:
    for name, told in said.items():
        problems = [one for one in told.findings if one["severity"] == "problem"]
        assert (told.status, problems) == (0, []), name
        for area in ("certificate", "clock", "agent", "directories", "brokers"):
            assert [severity for severity, _, _ in told.of(area)] == ["ok"], (name, area)


def test_a_host_in_the_open_is_met_over_both_protocols(pool: Pool, said: dict[str, Told]) -> None:
    four, six = said["open"].of(OUTSIDE)
    assert four[0] == six[0] == "ok"
    assert f"IPv4: broker.cm reaches {pool.open.ip4}:9618 (this host's own address)" in four[1]
    assert f"IPv6: broker.cm reaches [{pool.open.ip6}]:9618 (this host's own address)" in six[1]
    outgoing = said["open"].of("outgoing")
    assert [severity for severity, _, _ in outgoing] == ["ok", "ok"]
    assert f"IPv4 from {pool.open.ip4} reaches broker.cm and directory.cm" in outgoing[0][1]
    assert f"IPv6 from {pool.open.ip6} reaches broker.cm and directory.cm" in outgoing[1][1]


def test_a_host_without_ipv4_is_met_over_ipv6(pool: Pool, said: dict[str, Told]) -> None:
    [six] = said["six"].of(OUTSIDE)
    assert six[0] == "ok" and f"reaches [{pool.six.ip6}]:9618 (this host's own" in six[1]
    four, six = said["six"].of("outgoing")
    assert four[:2] == ("note", "no IPv4: this host has no address of it that others can use")
    assert six[0] == "ok"


def test_a_host_behind_a_nat_has_nothing_to_do(pool: Pool, said: dict[str, Told]) -> None:
    [four] = said["inside"].of(OUTSIDE)
    assert four[0] == "note" and "(not this host's own: a NAT): no answer within 5 s" in four[1]
    assert four[2].startswith("callers are brought here by broker.cm as it is")
    assert "forward TCP port 9618 at the router to this host" in four[2]
    [seen] = said["inside"].facts["pool"]["incoming"]["seen"]
    assert (seen["outcome"], seen["arrived"]) == ("timeout", False)
    assert seen["host"] != pool.inside.ip4


def test_a_forwarded_port_is_found_and_can_be_published(pool: Pool, said: dict[str, Told]) -> None:
    [four] = said["forwarded"].of(OUTSIDE)
    at = f"{pool.office.ip4}:9618"
    assert (
        four[0] == "note" and f"reaches this host at {at} (not this host's own: a NAT)" in four[1]
    )
    assert four[2].endswith(f'advertise = ["found", "{at}"]')


def test_a_firewall_before_a_published_port_is_a_warning(pool: Pool, said: dict[str, Told]) -> None:
    [four] = said["walled"].of(OUTSIDE)
    assert four[0] == "warning"
    assert f"does not reach {pool.walled.ip4}:9618 (this host's own address): no answer" in four[1]
    assert four[2].startswith("open TCP port 9618 inbound, in this host's firewall")
    assert "broker.cm" in four[2]


def test_the_brokers_own_host_cannot_see_itself(pool: Pool) -> None:
    [told] = ask(pool, [pool.cm])
    assert told.status == 0
    assert [severity for severity, _, _ in told.of(OUTSIDE)] == ["note", "note"]
    assert "this host's own" in told.of("brokers")[0][1]
    [knows] = told.of("directories")
    assert knows[0] == "ok" and knows[1].endswith("and knows this host's 3 names")


def test_settings_change_what_is_found(pool: Pool) -> None:
    [told] = ask(pool, [pool.six], GLASNOST_ENABLE_IPV4="true")
    assert told.status == 1
    [wrong] = [one for one in told.of("settings") if one[0] == "problem"]
    assert "enable_ipv4 is true, and this host has no address of it" in wrong[1]


def test_what_is_broken_is_named_and_the_rest_is_looked_at(pool: Pool) -> None:
    """Last, for it breaks the pool: no agent here, then no directory there."""
    world = pool.world
    world.kill(pool.open, "agent")
    [told] = ask(pool, [pool.open])
    assert told.status == 1
    [agent] = told.of("agent")
    assert agent[0] == "problem" and "this command stood in for it" in agent[2]
    # What stands in does not listen where the agent would, which may be about to return.
    four, six = told.of(OUTSIDE)
    assert four[0] == six[0] == "note" and four[2] == six[2]
    assert f"broker.cm sees this host at {pool.open.ip4} (this host's own address)" in four[1]
    assert [severity for severity, _, _ in told.of("directories")] == ["ok"]

    world.kill(pool.cm, "directory")
    [told] = ask(pool, [pool.inside])
    assert told.status == 1
    [away] = told.of("directories")
    assert away[0] == "problem" and "directory.cm is not reached" in away[1]
    assert [severity for severity, _, _ in told.of("brokers")] == ["ok"], "registered as before"
