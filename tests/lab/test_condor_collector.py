"""A pool whose central manager is ours, each role a process of its own: HTCondor's own bindings
advertise from a host that has IPv6 only, and ask from one behind a NAT that has IPv4 only."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from glasnost.testing.lab import Host, Lab
from glasnost.testing.world import World
from tests.condor.bindings import at_home
from tests.lab.condor_site import bindings_on

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("needs_lab")]

SETTINGS = '[condor]\ncollector = true\ntrust_domain = "wire.test"\n'
LOGIN = {
    "SEC_CLIENT_AUTHENTICATION": "REQUIRED",
    "SEC_CLIENT_AUTHENTICATION_METHODS": "IDTOKENS",
}


class Pool:
    """``cm`` has both protocols; ``six`` IPv6 only, on the internet; ``desk`` is behind a NAT."""

    def __init__(self, lab: Lab, world: World, stack: ExitStack) -> None:
        self.world = world
        office = lab.site("office", ip4="192.168.9.0/24")
        self.cm, self.six = lab.host("cm"), lab.host("six", ip4=False)
        self.desk = lab.host("desk", office)
        lab.up()
        world.found(self.cm)
        world.set(self.cm, tables=SETTINGS)
        for role in ("agent", "authority", "directory"):
            world.start(self.cm, role)
        world.wait_for_agents([self.cm])
        names = ["authority.cm", "directory.cm", "collector.cm"]
        world.wait_for_names(self.cm, names)
        token = world.glasnost(
            self.cm, "condor", "token", "create", "--identity", "condor@wire.test"
        )
        for host in (self.six, self.desk):
            tokens = self.home(host) / "tokens.d"
            tokens.mkdir(mode=0o700, parents=True)
            (tokens / "condor").touch(0o600)
            (tokens / "condor").write_text(token)
        stack.callback(shutil.rmtree, world.folder / "condor", ignore_errors=True)

    def home(self, host: Host) -> Path:
        return self.world.folder / "condor" / host.name

    def bindings(self, host: Host, config: dict[str, str], *requests: list[Any]) -> list[Any]:
        """What the bindings make of some requests, on this host."""
        environment = {**self.world.environment(host), **at_home(self.home(host), config)}
        return bindings_on(host, environment, list(requests))


@pytest.fixture(scope="module")
def pool(lab_reason: str | None) -> Iterator[Pool]:
    if lab_reason is not None:
        pytest.skip(lab_reason)
    with Lab() as lab, World(lab) as world, ExitStack() as stack:
        yield Pool(lab, world, stack)


def startd(name: str, address: str) -> dict[str, Any]:
    return {"MyType": "Machine", "Name": name, "Machine": name, "MyAddress": address, "Cpus": 4}


def test_an_ipv4_only_tool_behind_a_nat_finds_an_ipv6_only_daemon(pool: Pool) -> None:
    address = f"<[{pool.six.ip6}]:9618?sock=startd_1>"
    told = ["advertise", f"<[{pool.cm.ip6}]:9618>", [startd("slot1@six", address)]]
    assert pool.bindings(pool.six, LOGIN, [*told, "UPDATE_STARTD_AD"]) == ["advertised"]
    place = f"<{pool.cm.ip4}:9618>"
    found, own = pool.bindings(
        pool.desk, {}, ["ask", place, "Startd", "Cpus > 2"], ["ask", place, "Collector"]
    )
    assert [(ad["Name"], ad["MyAddress"]) for ad in found] == [("slot1@six", address)]
    assert found[0]["AuthenticatedIdentity"] == "condor@wire.test"
    assert f"{pool.cm.ip4}-9618+[{str(pool.cm.ip6).replace(':', '-')}]-9618" in own[0]["MyAddress"]


def test_the_directory_is_ended_and_what_is_advertised_again_is_there(pool: Pool) -> None:
    """Ads are not kept; the key that signs tokens is."""
    world = pool.world
    world.kill(pool.cm, "directory")
    world.restart(pool.cm, "directory")
    place, six = f"<{pool.cm.ip4}:9618>", f"<[{pool.cm.ip6}]:9618>"

    def answers() -> bool:
        (found,) = pool.bindings(pool.desk, {}, ["ask", place, "Startd"])
        return not found

    world.wait_for("the collector", answers)
    told = ["advertise", six, [startd("slot2@six", "<[2001:db8::1]:5>")], "UPDATE_STARTD_AD"]
    assert pool.bindings(pool.six, LOGIN, told) == ["advertised"]
    (found,) = pool.bindings(pool.desk, {}, ["ask", place, "Startd", 'Name == "slot2@six"'])
    assert len(found) == 1


def test_who_has_no_token_does_not_advertise(pool: Pool) -> None:
    told = ["advertise", f"<{pool.cm.ip4}:9618>", [startd("x", "<h:1>")], "UPDATE_STARTD_AD"]
    (answer,) = pool.bindings(pool.desk, {"SEC_TOKEN_DIRECTORY": "$(LOCAL_DIR)/none.d"}, told)
    assert "Exception" in answer


def test_ours_shows_it_too(pool: Pool) -> None:
    pool.world.variables["cm"] = {"CONDOR_CONFIG": "ONLY_ENV"}
    told = pool.world.glasnost(pool.cm, "condor", "status", "-pool", "127.0.0.1", "--json")
    assert [ad["Name"] for ad in json.loads(told)] == ["slot2@six"]
