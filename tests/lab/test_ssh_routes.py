"""Routes and exits through SSH among others: planned, raced, told of; and published in a pool."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator

import pytest

from glasnost.by_address import open_address
from glasnost.errors import ConnectFailed
from glasnost.roles.dialler import Connected
from glasnost.roles.experience import Experience
from glasnost.roles.standing import Standing, alone
from glasnost.settings import ExitSetting, Network, Settings
from glasnost.testing.lab import Lab
from glasnost.testing.world import World
from tests.lab import servers
from tests.lab.ssh_site import CLOSED, ECHO, NOBODY, OPEN, Site, site, the_site
from tests.lab.sshd import Keys, sshd

__all__ = ["site", "the_site"]

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("needs_lab")]


def everywhere(**settings: object) -> Standing:
    """A program on a host all of whose addresses are public."""
    public = Network("public", ranges=("0.0.0.0/0", "::/0"))
    return alone(Settings(networks=(public,), **settings), Experience())  # type: ignore[arg-type]


def opened(site: Site, address: str, **settings: object) -> tuple[bytes, Connected[socket.socket]]:
    async def main() -> tuple[bytes, Connected[socket.socket]]:
        connected = await open_address(address, everywhere(**settings), 20)
        with connected.result as sock:
            return await servers.asks(sock), connected

    with site.client.inside():
        return asyncio.run(main())


def test_one_that_fails_is_told_and_the_others_go_on(site: Site) -> None:
    other = str(site.keys.folder / "other")
    wrong = site.login(host="gate", identity=other, agent="/nowhere")
    logins = {"locked": wrong, "gate": site.login()}
    gate, target = f"public/ip4:{site.gate.ip4}:{OPEN}", f"ip4:{site.target.ip4}:{ECHO}"
    routes = [f"{gate}/ssh:{name}/{target}" for name in ("locked", "unknown", "gate")]
    heard, connected = opened(site, ",".join(routes), ssh=logins, attempt_delay=2.0)
    assert heard == b"are you there?"
    assert connected.path.route_number == 3
    told = [str(one) for one in connected.failed]
    assert "stage 2 (ssh:locked): it accepts none of our keys" in told[0]
    (rejected,) = connected.plan.rejected
    assert "there is no [ssh.unknown] in the settings" in rejected.reason


def test_all_that_fail_are_told_by_route_and_stage(site: Site) -> None:
    gate, nobody = f"public/ip4:{site.gate.ip4}", f"ip4:{site.target.ip4}:{NOBODY}"
    routes = [f"{gate}:{port}/ssh:gate/{nobody}" for port in (OPEN, CLOSED)]
    with pytest.raises(ConnectFailed) as caught:
        opened(site, ",".join(routes), ssh={"gate": site.login()})
    told = str(caught.value)
    assert f"stage 3 ({nobody}): the SSH server says: Connection refused" in told
    assert f"stage 3 ({nobody}): the SSH server forbids it" in told


def test_an_exit_through_it_is_planned_for_the_network_that_it_comes_out_on(site: Site) -> None:
    way_out = ExitSetting(
        lands=("ip4@lab",), name="the gate", via=f"ip4:{site.gate.ip4}:{OPEN}/ssh:gate"
    )
    address = f"lab/ip4:{site.target.ip4}:{ECHO}"
    heard, connected = opened(site, address, ssh={"gate": site.login()}, exits=(way_out,))
    assert (heard, connected.path.how) == (b"are you there?", "through the gate")


# --- in a pool ------------------------------------------------------------------------------------


class Pool:
    """A host in an office whose router lets nothing in. What leads there is the office's gate."""

    def __init__(self, lab: Lab, world: World, keys: Keys) -> None:
        self.world = world
        office = lab.site("office", inbound="drop")
        self.cm = lab.host("cm")
        self.gate = lab.host("gate", office, public=True)
        self.desk = lab.host("desk", office)
        lab.up()
        sshd(self.gate, OPEN, keys)
        inside = next(leg.ip4 for leg in self.desk.legs if leg.network is office.network)
        self.route = f"public/ip4:{self.gate.ip4}:{OPEN}/ssh:gate/ip4:{inside}:9618"
        world.variables["desk"] = {"GLASNOST_ADVERTISE": self.route}
        world.found(self.cm)
        for role in ("agent", "authority", "directory"):
            world.start(self.cm, role)
        world.wait_for_agents([self.cm])
        world.wait_for_names(self.cm, ["authority.cm", "directory.cm"])
        world.join(self.cm, [self.desk], {})
        world.start(self.desk, "agent")
        world.wait_for_agents([self.desk])
        world.serve(self.desk, "notes")
        world.wait_for_names(self.cm, ["notes.desk"])


@pytest.fixture(scope="module")
def pool(lab_reason: str | None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    if lab_reason is not None:
        pytest.skip(lab_reason)
    servers.need("sshd", "ssh", "ssh-keygen")
    keys = Keys(tmp_path_factory.mktemp("keys"))
    settings = f"""
[ssh.gate]
user = "root"
identity = "{keys.folder / "user"}"
host_key = "{keys.public("host")}"
"""
    with Lab() as lab, World(lab, settings) as world:
        yield Pool(lab, world, keys)


def test_a_service_is_reached_by_the_route_that_its_host_publishes(pool: Pool) -> None:
    """Sealed from end to end, with no broker in the pool."""
    fetched = pool.world.fetch(pool.cm, "notes.desk", 300_000)
    assert fetched["ok"] and fetched["ways"] == [], fetched
    told = json.loads(pool.world.glasnost(pool.cm, "ping", "notes.desk", "--json"))
    (reached,) = [one for one in told["tried"] if one["reached"]]
    assert '"SSH login"' in json.dumps(reached["stages"])
    plan = pool.world.glasnost(pool.cm, "explain", "notes.desk")
    assert f"{pool.route}/service:notes" in plan
