"""The internet of a soak: every kind of host, in an order in which the first few are a mix too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from glasnost.testing.lab import Host, Lab, Site
from glasnost.testing.world import World

#: What runs on the first host, in the order of need.
CENTRAL = ("agent", "authority", "directory", "broker")

#: Host by host: its name, its site if it is in one, and what it lacks.
HOSTS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("cm", "", {}),
    ("gate", "", {}),
    ("home1", "home", {}),
    ("office1", "office", {}),
    ("four1", "", {"ip6": False}),
    ("six1", "", {"ip4": False}),
    ("public1", "", {}),
    ("shut1", "", {}),
    ("works1", "works", {}),
    ("home2", "home", {}),
    ("office2", "office", {}),
    ("four2", "", {"ip6": False}),
    ("six2", "", {"ip4": False}),
    ("public2", "", {}),
    ("shut2", "", {}),
    ("works2", "works", {}),
    ("home3", "home", {}),
    ("office3", "office", {}),
    ("public3", "", {}),
    ("four3", "", {"ip6": False}),
)
FEWEST, MOST = 8, len(HOSTS)


@dataclass(frozen=True)
class Pool:
    """A pool that runs. ``clients`` are where transfers begin, ``names`` where they lead."""

    world: World
    hosts: Sequence[Host]
    sites: Sequence[Site]

    @property
    def central(self) -> Host:
        """The host of the directory, the authority and a broker."""
        return self.hosts[0]

    @property
    def gate(self) -> Host:
        """The host of the other broker."""
        return self.hosts[1]

    @property
    def members(self) -> Sequence[Host]:
        return self.hosts[2:]

    @property
    def clients(self) -> Sequence[Host]:
        return self.members[1::3]

    @property
    def services(self) -> Sequence[tuple[Host, str]]:
        """On every other member a sealed one, on some of the others a plain one."""
        sealed = [(host, "sealed") for host in self.members[0::2]]
        return [*sealed, *((host, "plain") for host in self.members[1::4])]

    @property
    def names(self) -> list[str]:
        return [f"{service}.{host.name}" for host, service in self.services]


def build(lab: Lab, world: World, count: int) -> Pool:
    """The first ``count`` hosts, described and built."""
    sites = {
        "home": lab.site("home", nat="masquerade", inbound="drop"),
        "office": lab.site("office", nat="random", inbound="drop"),
        "works": lab.site("works", nat="masquerade", inbound="drop", ip6=True),
    }
    hosts = [lab.host(name, sites.get(site), **lacks) for name, site, lacks in HOSTS[:count]]
    lab.up()
    for host in hosts:
        if host.name.startswith("shut"):
            host.firewall("tcp dport 9618 ct state new drop")
    return Pool(world, hosts, list(sites.values()))


def populate(pool: Pool) -> None:
    """Start the daemons and the services, and wait until every name is there."""
    world, cm = pool.world, pool.central
    world.found(cm)
    for role in CENTRAL:
        world.start(cm, role)
    world.wait_for_agents([cm])
    world.wait_for_names(cm, [f"{role}.cm" for role in CENTRAL[1:]])
    world.join(cm, pool.hosts[1:], {})
    for host in pool.hosts[1:]:
        world.start(host, "agent")
    world.wait_for_agents(pool.hosts[1:])
    world.start(pool.gate, "broker")
    for host, service in pool.services:
        world.serve(host, service, *(("plain", "any-relay") if service == "plain" else ()))
    world.wait_for_names(cm, ["broker.gate", *pool.names], brokered=pool.names)
