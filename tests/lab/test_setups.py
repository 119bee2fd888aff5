"""Exits that bring up what they lead through: a VPN of OpenVPN's, and a vxlan link."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from glasnost.core.address import Address, Landing, Stage
from glasnost.core.routes import Exit, Target, Trace, Vantage
from glasnost.roles.dialler import as_socket, connect
from glasnost.settings import Settings
from glasnost.setups import SetupSetting
from glasnost.stages import Means
from glasnost.testing.lab import Host, Lab
from glasnost.testing.lab.warden import processes_in
from glasnost.testing.world import World
from tests.lab import openvpn, servers
from tests.lab.conftest import eventually

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("needs_lab")]

SIZE = 300_000
TUN = "tun-lab"


def interfaces(host: Host) -> set[str]:
    with host.inside():
        return {name for _, name in socket.if_nameindex()}


# --- a VPN ----------------------------------------------------------------------------------------


class Pool:
    """A laboratory whose router lets nobody in but by its VPN's gate; ``db`` is inside, and a desk
    on the internet has a certificate for the gate."""

    def __init__(self, lab: Lab, world: World) -> None:
        self.world = world
        inner = lab.site("lab", inbound="drop")
        self.cm, self.desk = lab.host("cm"), lab.host("desk", ip6=False)
        self.gate = lab.host("gate", inner, public=True)
        self.db = lab.host("db", inner)
        lab.up()
        folder = world.folder / "vpn"
        folder.mkdir()
        openvpn.authority(folder)
        openvpn.gate(self.gate, folder, "192.168.1.0 255.255.255.0")
        rules = "table ip vpn { chain out { type nat hook postrouting priority 100;\n"
        rules += "ip saddr 10.66.0.0/24 masquerade;\n}\n}\n"
        self.gate.run(["nft", "-f", "-"], input=rules, text=True, check=True)
        self.gate.run(["sysctl", "-qw", "net.ipv4.ip_forward=1"], check=True)
        config = openvpn.client(folder, str(self.gate.ip4), TUN)
        world.found(self.cm)
        for role in ("agent", "authority", "directory", "broker"):
            world.start(self.cm, role)
        world.wait_for_agents([self.cm])
        world.wait_for_names(self.cm, ["authority.cm", "directory.cm", "broker.cm"])
        world.join(self.cm, [self.desk, self.db], {"db": ["lab"]})
        world.set(self.db, "broker_count = 0")  # else a dial-back would be sooner than a VPN
        world.set(
            self.desk,
            tables=f"""
[[exits]]
name = "the VPN"
via = "setup:lab-vpn"
lands = ["ip4@lab"]

[setups.lab-vpn]
run = ["openvpn", "--config", "{config}"]
interface = "{TUN}"
timeout = 14
grace = 1
""",
        )
        for host in (self.desk, self.db):
            world.start(host, "agent")
        world.wait_for_agents([self.desk, self.db])
        world.serve(self.db, "web")
        world.wait_for_names(self.cm, ["web.db"])

    def is_down(self) -> bool:
        return TUN not in interfaces(self.desk)

    def clients(self) -> list[int]:
        """OpenVPN's processes on the desk."""
        return self.processes("openvpn")

    def processes(self, word: str) -> list[int]:
        """Those of the desk with this in their command lines."""
        pids = processes_in({os.fstat(self.desk.namespace).st_ino}, os.getpid())
        lines = {pid: Path(f"/proc/{pid}/cmdline") for pid in pids}
        return [pid for pid, line in lines.items() if word in line.read_text()]

    def told(self) -> str:
        logs = (self.world.folder / "desk" / "run" / "setups").glob("lab-vpn.*")
        return "\n".join(one.read_text() for one in logs if one.suffix in (".log", ".said"))


@pytest.fixture(scope="module")
def pool(lab_reason: str | None) -> Iterator[Pool]:
    if lab_reason is not None:
        pytest.skip(lab_reason)
    servers.need("openvpn")
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        pytest.skip("/dev/net/tun is not this user's to open")
    with Lab() as lab, World(lab) as world:
        yield Pool(lab, world)


def test_explain_says_what_would_be_brought_up_and_brings_nothing_up(pool: Pool) -> None:
    told = pool.world.glasnost(pool.desk, "explain", "web.db")
    assert "brings up lab-vpn first, unless it is up" in told
    assert pool.is_down()


def test_the_first_use_brings_the_vpn_up_and_after_the_last_it_goes_down(pool: Pool) -> None:
    before = pool.db.bytes_from(pool.gate)
    fetched = pool.world.fetch(pool.desk, "web.db", SIZE)
    assert fetched["ok"] and fetched["ways"] == [], (fetched, pool.told())
    assert pool.db.bytes_from(pool.gate) - before > SIZE
    assert eventually(pool.is_down), pool.told()


def test_its_time_is_told_as_a_stages_and_it_stays_up_while_it_is_used(pool: Pool) -> None:
    told = json.loads(pool.world.glasnost(pool.desk, "ping", "web.db", "--json"))
    (reached,) = [one for one in told["tried"] if one["reached"]]
    assert reached["how"] == "through the VPN"
    first = reached["stages"][0]
    assert (first["stage"], first["text"]) == (0, "setup:lab-vpn")
    traffic = pool.world.load(pool.desk, hold=["web.db"])
    ever_down = False
    until = time.monotonic() + 3  # well beyond the grace: that nothing happens is what is tested
    while time.monotonic() < until:
        ever_down = ever_down or pool.is_down()
        time.sleep(0.02)
    pool.world.wait_for("another round", traffic.goes_on("direct"))
    report = traffic.stop()
    assert not ever_down and not report.faults, (report, pool.told())
    assert eventually(pool.is_down), pool.told()


def test_programs_and_the_agent_share_one_vpn_whoever_of_them_is_killed(pool: Pool) -> None:
    world = pool.world
    by_agent = world.load(pool.desk, hold=["web.db"], by_agent=True)
    by_program = world.load(pool.desk, hold=["web.db"])
    world.wait_for("rounds", by_program.goes_on("direct"))
    assert len(pool.clients()) == 1
    world.kill(pool.desk, "load-1")
    world.wait_for("rounds of the other", by_agent.goes_on())
    assert len(pool.clients()) == 1
    report = by_agent.stop()
    assert not report.faults and not any(one.error for one in report.held), (report, pool.told())
    assert eventually(pool.is_down), pool.told()


def test_what_a_killed_keeper_has_left_is_taken_down_by_the_next(pool: Pool) -> None:
    pool.world.load(pool.desk, hold=["web.db"])
    (left,) = pool.clients()
    (keeper,) = pool.processes("glasnost.net.keeper")
    os.kill(keeper, signal.SIGKILL)
    pool.world.wait_for("its end", lambda: not pool.processes("glasnost.net.keeper"))
    pool.world.kill(pool.desk, "load-0")
    assert pool.clients() == [left], "nobody has ended it"
    fetched = pool.world.fetch(pool.desk, "web.db", SIZE)
    assert fetched["ok"], (fetched, pool.told())
    assert left not in pool.clients()
    assert "it was left behind, and is taken down first" in pool.told()
    assert eventually(pool.is_down), pool.told()


def test_the_doctor_looks_at_such_a_host(pool: Pool) -> None:
    found = pool.world.glasnost(pool.desk, "doctor", check=False)
    assert "no problems" in found, found


# --- a link of a software-defined network ---------------------------------------------------------

LINK = "vx-lab"
ECHO = 9000


class Overlay:
    """Two hosts, and a network of 10.77.0.0/24 over them in which only the far one is."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.folder = folder
        self.near, self.far = lab.host("near", ip6=False), lab.host("far", ip6=False)
        lab.up()
        lines = self._link(self.far, self.near, "10.77.0.1/24")
        self.far.run(["ip", "-batch", "-"], input=lines, text=True, check=True)
        servers.echo(self.far, ECHO, folder)
        self.lines = self._link(self.near, self.far, "10.77.0.2/24")

    @staticmethod
    def _link(here: Host, there: Host, address: str) -> str:
        return (
            f"link add {LINK} type vxlan id 7 dstport 4789 local {here.ip4} remote {there.ip4}\n"
            f"addr add {address} dev {LINK}\nlink set {LINK} up\n"
        )

    def setup(self, up: str, name: str = "vx.up") -> SetupSetting:
        (self.folder / name).write_text(up)
        return SetupSetting(
            start=("ip", "-batch", str(self.folder / name)),
            stop=("ip", "link", "del", LINK),
            interface=LINK,
            grace=0.0,
        )

    def means(self, **setups: SetupSetting) -> Means:
        return Means(settings=Settings(setups=setups, run=str(self.folder / "run")))

    def is_down(self) -> bool:
        return LINK not in interfaces(self.near)

    def connect(self, means: Means, *exits: Exit) -> tuple[bytes, tuple[Trace, ...]]:
        """What the far host answers over the best of these exits, and those that failed before."""

        async def scenario() -> tuple[bytes, tuple[Trace, ...]]:
            to = Target(Address.parse(f"overlay/ip4:10.77.0.1:{ECHO}"))
            made = await connect(
                "far", to, Vantage(exits), means, as_socket, socket.socket.close, delay=10
            )
            with made.result as sock:
                return await servers.asks(sock), made.failed

        with self.near.inside():
            return asyncio.run(scenario())


def exit_by(setup: str, cost: float = 0) -> Exit:
    return Exit(Landing("ip4", "overlay"), (Stage("setup", (setup,)),), cost=cost)


@pytest.fixture(scope="module")
def overlay(lab_reason: str | None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Overlay]:
    if lab_reason is not None:
        pytest.skip(lab_reason)
    with Lab() as lab:
        yield Overlay(lab, tmp_path_factory.mktemp("overlay"))


def test_a_vxlan_link_comes_up_for_a_connection_and_goes_with_it(overlay: Overlay) -> None:
    assert overlay.is_down()
    means = overlay.means(vx=overlay.setup(overlay.lines))
    answer, failed = overlay.connect(means, exit_by("vx"))
    assert (answer, failed) == (b"are you there?", ())
    assert eventually(overlay.is_down)


def test_a_link_that_cannot_be_made_costs_its_path_and_the_other_goes_on(overlay: Overlay) -> None:
    """It fails in its third line: what the first two have done is taken back."""
    means = overlay.means(
        broken=overlay.setup(overlay.lines.replace(f"link set {LINK}", "link set no-such"), "bad"),
        vx=overlay.setup(overlay.lines),
    )
    answer, failed = overlay.connect(means, exit_by("broken"), exit_by("vx", cost=1))
    assert answer == b"are you there?"
    (one,) = failed
    assert one.why.startswith("ip has ended with status 1: "), one.why
    assert eventually(overlay.is_down)


def test_who_connects_over_it_without_having_asked_for_it_keeps_it_up_too(
    overlay: Overlay,
) -> None:
    """A host that is seen to be on the network connects directly, while it is up."""
    means = overlay.means(vx=overlay.setup(overlay.lines))

    async def scenario() -> None:
        to = Target(Address.parse(f"overlay/ip4:10.77.0.1:{ECHO}"))
        made = await connect(
            "far", to, Vantage((exit_by("vx"),)), means, as_socket, socket.socket.close
        )
        with contextlib.closing(socket.create_connection(("10.77.0.1", ECHO))) as other:
            made.result.close()
            await asyncio.sleep(2)  # that nothing happens is what is tested
            assert not overlay.is_down()
            other.sendall(b"still?")
            assert other.recv(100) == b"still?"

    with overlay.near.inside():
        asyncio.run(scenario())
    assert eventually(overlay.is_down)
