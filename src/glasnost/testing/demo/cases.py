"""The eight cases: who connects to whom, what is expected, and how it is proved.

No case forces its route: the planner finds it from what the hosts' agents have published. Who
copied the bytes is read off the kernels' own counters on the hosts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from glasnost.testing.lab import Host, Lab
from glasnost.testing.world import World

#: Bytes each way: far above what handshakes, lookups and renewals exchange meanwhile.
SIZE = 3_000_000
#: What all of those together may exchange with a host that copies nothing.
CHATTER = SIZE // 10
#: What is found dead must be found so by an answer, or by the attempt delay; a TCP connect to a
#: black hole gives up after two minutes.
AT_ONCE = 10.0


@dataclass(frozen=True)
class Outcome:
    """What a case came to. ``direct`` and ``at_broker`` are the bytes that the hosts' kernels have
    counted; ``problems`` is empty when all was as expected."""

    case: Case
    fetched: dict[str, Any]
    copied_by: str
    direct: int
    at_broker: int
    problems: tuple[str, ...]


@dataclass(frozen=True)
class Case:
    """One connection. ``way``: how the broker is expected to help, if at all; ``network``: on
    which network the route is expected to begin; ``check``: what else must hold."""

    number: int
    title: str
    client: str
    name: str
    network: str = ""
    way: str | None = None
    check: Callable[[dict[str, Any]], str | None] = lambda fetched: None
    reachable: bool = True

    @property
    def server(self) -> str:
        """The host that the service is on."""
        return self.name.partition(".")[2]


def black_hole_first(fetched: dict[str, Any]) -> str | None:
    """The best route was tried, and nobody waited for it."""
    if fetched["begun"] < 2 or fetched["rank"] < 2:
        return "the black hole was not tried first"
    return None if fetched["connected"] < AT_ONCE else "it was waited for"


def two_routes(fetched: dict[str, Any]) -> str | None:
    """The public route was there to be taken."""
    routes = [path["route"] for path in fetched["plan"]["candidates"]]
    if any(route.startswith("public/ip4:") for route in routes):
        return None
    return "there was no public route to prefer"


def all_explained(fetched: dict[str, Any]) -> str | None:
    """Each route has its reason, or the stage at which it failed."""
    error = fetched.get("error", "")
    if fetched["seconds"] > AT_ONCE:
        return "the answer was not at once"
    wanted = ("vault/ip4", "is not on the network vault", "host.", "that is another machine",
              "stage 3 (ccb:vault): no target is registered")  # fmt: skip
    missing = [word for word in wanted if word not in error]
    return f"the answer does not speak of {', '.join(missing)}" if missing else None


CASES = (
    Case(1, "same machine: its unix socket", "srv", "web.srv", "host."),
    Case(2, "public host, several services at one port", "alice", "web.srv", "public"),
    Case(3, "behind a NAT, from a public address", "alice", "jupyter.node7", "public", "dial-back"),
    Case(4, "behind a NAT, from behind another NAT", "laptop", "jupyter.node7", "public", "relay"),
    Case(5, "IPv4-only client, IPv6-only service", "four", "sensor.six", "public", "relay"),
    Case(6, "same private network, and public routes", "rack1", "db.rack2", "lab",
         check=two_routes),
    Case(7, "the best route is a black hole", "alice", "mail.dark", "public", "dial-back",
         check=black_hole_first),
    Case(8, "nobody can reach it", "alice", "gold.vault", check=all_explained, reachable=False),
)  # fmt: skip


@dataclass(frozen=True)
class Hosts:
    """The internet of the demo."""

    broker: Host
    all: dict[str, Host]


def build(lab: Lab) -> Hosts:
    """Describe the small internet."""
    home = lab.site("home", nat="masquerade", inbound="drop")
    office = lab.site("office", nat="random", inbound="drop", ip4="10.0.0.0/24")
    works = lab.site("works", nat="masquerade", inbound="drop", ip4="10.0.0.0/24")
    hosts = [
        lab.host("cm"),
        lab.host("srv"),
        lab.host("alice"),
        lab.host("node7", home),
        lab.host("laptop", office),
        lab.host("four", ip6=False),
        lab.host("six", ip4=False),
        lab.host("rack1", works, public=True),
        lab.host("rack2", works, public=True),
        lab.host("dark"),
        lab.host("vault", home),
    ]
    lab.up()
    everything: dict[str, Host] = {host.name: host for host in hosts}
    everything["dark"].firewall("tcp dport 9618 ct state new drop")
    return Hosts(everything["cm"], everything)


#: Named networks, by host.
NETWORKS: dict[str, Sequence[str]] = {"rack1": ["lab"], "rack2": ["lab"], "vault": ["vault"]}


def populate(world: World, hosts: Hosts) -> None:
    """Start the daemons and the services, and wait until every name is there."""
    cm, others = hosts.broker, [host for host in hosts.all.values() if host is not hosts.broker]
    world.found(cm)
    for role in ("agent", "authority", "directory", "broker"):
        world.start(cm, role)
    world.wait_for_agents([cm])
    world.wait_for_names(cm, ["authority.cm", "directory.cm", "broker.cm"])
    world.join(cm, others, NETWORKS)
    for host in others:
        world.start(host, "agent")
    world.wait_for_agents(others)
    services = [
        ("srv", "web"), ("srv", "files"), ("node7", "jupyter"), ("six", "sensor"),
        ("rack2", "db"), ("dark", "mail"), ("vault", "gold"),
    ]  # fmt: skip
    for name, service in services:
        world.serve(hosts.all[name], service)
    names = [f"{service}.{name}" for name, service in services]
    world.wait_for_names(cm, names, brokered=names)
    # Its record lives on for a lease: the last case finds that nobody is behind it.
    world.kill(hosts.all["vault"], "agent")


def run(case: Case, world: World, hosts: Hosts) -> Outcome:
    """Connect, transfer, and hold what happened against what was expected."""
    client, server = hosts.all[case.client], hosts.all[case.server]
    for host in (client, server, hosts.broker):
        host.reset_counters()
    fetched = world.fetch(client, case.name, SIZE)
    direct = client.bytes_to(server) + client.bytes_from(server)
    brokered = client.bytes_to(hosts.broker) + client.bytes_from(hosts.broker)
    at_broker = sum(map(sum, hosts.broker.counters().values()))
    problems = []
    if not case.reachable:
        copied = "–"
        problems += _unreachable(case, fetched)
    else:
        copied = "nobody"
        if case.way == "relay":
            copied = "the broker"
            # What one end sends, the other gets: the broker has all of it twice.
            if brokered < 2 * SIZE or at_broker < 4 * SIZE or direct > CHATTER:
                problems.append(f"counters: {brokered} B by the broker, {direct} B directly")
        elif case.network == "host.":
            if direct > CHATTER or at_broker > CHATTER:
                problems.append("counters: something left the machine")
        elif direct < 2 * SIZE or brokered > CHATTER or at_broker > CHATTER:
            problems.append(f"counters: {direct} B directly, {at_broker} B at the broker")
        problems += _reachable(case, fetched)
    return Outcome(case, fetched, copied, direct, at_broker, tuple(problems))


def _unreachable(case: Case, fetched: dict[str, Any]) -> list[str]:
    if fetched["ok"]:
        return ["it was reached"]
    problem = case.check(fetched)
    return [problem] if problem else []


def _reachable(case: Case, fetched: dict[str, Any]) -> list[str]:
    if "route" not in fetched:
        return [fetched["error"]]
    problems = [] if fetched["ok"] else ["the bytes that arrived are not those that were sent"]
    if not fetched["route"].startswith(case.network):
        problems.append(f"route {fetched['route']} where one on {case.network} was expected")
    if fetched["ways"] != ([case.way] if case.way else []):
        problems.append(f"crossed by {fetched['ways']} where {case.way} was expected")
    problem = case.check(fetched)
    return [*problems, problem] if problem else problems
