"""``glasnost up --condor`` on the internet: a host behind a NAT registers at its broker, and
HTCondor's bindings reach it by the printed lines, dialled back and relayed."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from glasnost.condor.addresses.reading import parse
from glasnost.condor.security.methods.base import Doorkeeper
from glasnost.condor.security.negotiation import Policy
from glasnost.condor.security.words import Word
from glasnost.testing.lab import Host, Lab
from glasnost.testing.world import World
from tests.condor.bindings import Daemon, at_home
from tests.lab.condor_site import beside, bindings_on

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("needs_lab")]

#: A tool of an ordinary user: where it may write no daemon's socket, it listens by itself.
USER = {"USE_SHARED_PORT": "false"}
#: HTCondor's daemons bring their own security, also where a broker copies their bytes.
OPEN = ("--plain", "--relay", "any")
#: What a default pool wants of who asks.
POLICY = Policy(encryption=Word.REQUIRED, integrity=Word.REQUIRED, methods=())
#: Hosts of the lab share a file system, by which FS would let them in as who we are.
BY_TOKEN = "\nSEC_CLIENT_AUTHENTICATION_METHODS = IDTOKENS\n"
WAYS = [
    ("on the internet", USER),
    ("behind another NAT", {**USER, "TOOLS_ASSUME_FIREWALLS": "true"}),
]


class Pool:
    """``cm`` runs `up --condor`; ``node`` cannot be dialled; two hosts have HTCondor's tools."""

    def __init__(self, lab: Lab, world: World, stack: ExitStack) -> None:
        self.world = world
        campus, office = lab.site("campus"), lab.site("office", ip4="192.168.9.0/24")
        self.cm, self.node = lab.host("cm"), lab.host("node", campus)
        self.tools = {
            "on the internet": lab.host("tool", ip6=False),
            "behind another NAT": lab.host("desk", office),
        }
        lab.up()
        stack.callback(shutil.rmtree, world.folder / "condor", ignore_errors=True)
        world.found(self.cm)
        world.start(self.cm, "up", "--condor")
        world.wait_for_agents([self.cm])
        world.wait_for_names(self.cm, ["authority.cm", "directory.cm", "collector.cm"])
        self.lines = world.glasnost(self.cm, "condor", "config", "pool")
        behind = world.glasnost(self.cm, "condor", "config", "behind", "--json")
        broker = json.loads(behind)["behind"]["CCB_ADDRESS"]
        self.token = world.glasnost(self.cm, "condor", "token", "create", "--identity", "condor@x")
        world.join(self.cm, [self.node], {})
        self.port_ad = world.folder / "condor/shared_port_ad"
        world.variables[self.node.name] = self.environment(self.node, {})
        table = f'[condor]\nbrokers = ["{broker}"]\nport_ad = "{self.port_ad}"\n'
        world.set(self.node, tables=table)
        world.start(self.node, "agent")
        world.wait_for_agents([self.node])
        world.wait_for("a registration", lambda: "CCBID=" in self.told())
        self.daemon = Daemon(POLICY, Doorkeeper())
        place = stack.enter_context(beside(self.node, lambda: self.daemon.listening("127.0.0.1")))
        world.start(self.node, "expose", "schedd_1", "--to", place, *OPEN)
        world.wait_for_names(self.node, ["schedd_1.node"])

    def told(self) -> str:
        """Where the host behind the NAT is met, as its daemons would read it."""
        if not self.port_ad.exists():
            return ""
        found = re.search(r'^MyAddress = "(.*)"$', self.port_ad.read_text(), re.MULTILINE)
        return found[1] if found else ""

    def environment(self, host: Host, config: dict[str, str]) -> dict[str, str]:
        """A configuration of HTCondor's with the printed lines in it, and the token."""
        home = self.world.folder / "condor" / host.name
        tokens = home / "tokens.d"
        tokens.mkdir(mode=0o700, parents=True, exist_ok=True)
        (tokens / "condor").touch(0o600)
        (tokens / "condor").write_text(self.token)
        named = {"FULL_HOSTNAME": host.name, **config}  # the name of its private network, too
        return at_home(home, named, self.lines + BY_TOKEN)

    def bindings(self, host: Host, config: dict[str, str], *requests: list[Any]) -> list[Any]:
        environment = {**self.world.environment(host), **self.environment(host, config)}
        return bindings_on(host, environment, list(requests))


@pytest.fixture(scope="module")
def pool(lab_reason: str | None) -> Iterator[Pool]:
    if lab_reason is not None:
        pytest.skip(lab_reason)
    with Lab() as lab, World(lab) as world, ExitStack() as stack:
        yield Pool(lab, world, stack)


@pytest.mark.parametrize(("where", "config"), WAYS, ids=[way[0] for way in WAYS])
def test_a_daemon_behind_a_nat_is_asked(pool: Pool, where: str, config: dict[str, str]) -> None:
    address = str(parse(pool.told()).with_params(sock="schedd_1"))
    (found,) = pool.bindings(pool.tools[where], config, ["query", address])
    assert [ad["Name"] for ad in found] == ["s0"]


def test_the_pool_is_told_and_asked_by_the_printed_lines_alone(pool: Pool) -> None:
    slot = {"MyType": "Machine", "Name": "slot1@node", "Machine": "node", "MyAddress": pool.told()}
    (told,) = pool.bindings(pool.node, {}, ["advertise", None, [slot], "UPDATE_STARTD_AD"])
    assert told == "advertised"
    (found,) = pool.bindings(pool.tools["behind another NAT"], USER, ["ask", None, "Startd"])
    assert [(ad["Name"], ad["MyAddress"]) for ad in found] == [("slot1@node", pool.told())]
    assert found[0]["AuthenticatedIdentity"] == "condor@x"
