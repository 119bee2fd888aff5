"""Two networks between two hosts, one fast and one cheap: our settings choose, and may choose anew
while connections exist."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from glasnost.testing.lab import Lab
from glasnost.testing.traffic import Traffic
from glasnost.testing.world import World

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("needs_lab")]

SIZE = 300_000
FAST, CHEAP = "fast", "cheap"


class Pool:
    """``alice`` and ``bob`` are on one fast network, known by its range, and on a cheap one, known
    by the interface; ``carol`` is at a site of her own, with alice's very address; ``cm`` has the
    rest of the pool."""

    def __init__(self, lab: Lab, world: World) -> None:
        self.world = world
        office = lab.site("office", inbound="drop")
        self.cm = lab.host("cm", ip6=False)
        self.alice, self.bob = (
            lab.host(name, office, public=True, ip6=False) for name in ("alice", "bob")
        )
        self.carol = lab.host("carol", lab.site("works", inbound="drop"), ip6=False)
        lab.up()
        world.found(self.cm)
        for role in ("agent", "authority", "directory", "broker"):
            world.start(self.cm, role)
        world.wait_for_agents([self.cm])
        world.wait_for_names(self.cm, ["authority.cm", "directory.cm", "broker.cm"])
        world.join(self.cm, [self.alice, self.bob, self.carol], {"carol": ["works"]})
        for host in (self.alice, self.bob):
            cheap = next(leg.interface for leg in host.legs if leg.network.is_internet)
            world.set(
                host,
                tables=f"""
[[networks]]
name = "{FAST}"
ranges = ["192.168.1.0/24"]
[[networks]]
name = "{CHEAP}"
interface = "{cheap}"
""",
            )
        path = world.folder / "alice" / "glasnost.toml"
        self._settings = path.read_text()
        for host in (self.alice, self.bob, self.carol):
            world.start(host, "agent")
        world.wait_for_agents([self.alice, self.bob, self.carol])
        for host in (self.bob, self.carol):
            world.serve(host, "web")
        world.wait_for_names(self.cm, ["web.bob", "web.carol"], brokered=["web.carol"])

    def write(self, *lines: str, rename: tuple[str, str] = ("", "")) -> None:
        """New settings for alice, with a network renamed."""
        path = self.world.folder / "alice" / "glasnost.toml"
        tables = self._settings.replace(*rename) if rename[0] else self._settings
        path.write_text("\n".join([*lines, tables]))

    def choose(self, *lines: str, rename: tuple[str, str] = ("", "")) -> str:
        """The same, read by her agent while it runs; what it says."""
        self.write(*lines, rename=rename)
        return self.world.glasnost(self.alice, "reload")

    def used(self) -> dict[str, int]:
        """Bytes that alice has sent bob so far, by network."""
        counters = self.alice.counters()
        return {
            CHEAP if leg.network.is_internet else FAST: counters.get(str(leg.ip4), (0, 0))[1]
            for leg in self.bob.legs
        }


@pytest.fixture(scope="module")
def pool(lab_reason: str | None) -> Iterator[Pool]:
    if lab_reason is not None:
        pytest.skip(lab_reason)
    with Lab() as lab, World(lab) as world:
        yield Pool(lab, world)


def test_a_host_is_met_on_each_network_that_it_is_on(pool: Pool) -> None:
    record = json.loads(pool.world.glasnost(pool.cm, "lookup", "web.bob", "--json"))
    routes = [route for route in record["address"].split(",") if "/ccb:" not in route]
    networks = [route.partition("/")[0] for route in routes]
    assert [one for one in networks if not one.startswith("host.")] == [FAST, CHEAP, "public"]


def test_the_same_range_at_two_sites_is_two_networks(pool: Pool) -> None:
    """By address alone, alice would reach herself."""
    (at_works,) = [leg.ip4 for leg in pool.carol.legs]
    assert at_works in [leg.ip4 for leg in pool.alice.legs]
    pool.write()
    told = pool.world.glasnost(pool.alice, "explain", "web.carol")
    assert "this host is not on the network works" in " ".join(told.split())
    fetched = pool.world.fetch(pool.alice, "web.carol", SIZE)
    assert fetched["ok"] and fetched["ways"] == ["dial-back"], fetched


CHOICES = [
    # what                   settings                                    network
    ("the owner's order", [], FAST),
    ("prefer", [f'prefer = ["{CHEAP}"]'], CHEAP),
    ("avoid", [f'avoid = ["{FAST}"]'], CHEAP),
    ("costs", [f"costs = {{{FAST} = 5, {CHEAP} = 1}}"], CHEAP),
    ("avoid before costs", [f'avoid = ["{CHEAP}"]', f"costs = {{{FAST} = 5}}"], FAST),
]


@pytest.mark.parametrize(
    ("lines", "network"), [one[1:] for one in CHOICES], ids=[one[0] for one in CHOICES]
)
def test_settings_choose_the_network_that_carries_it(
    pool: Pool, lines: list[str], network: str
) -> None:
    """Those of the program, which reads them by itself."""
    pool.write(*lines)
    before = pool.used()
    fetched = pool.world.fetch(pool.alice, "web.bob", SIZE)
    assert fetched["ok"] and fetched["route"].startswith(f"{network}/"), fetched
    after = pool.used()
    sent = {name: after[name] - before[name] for name in after}
    other = CHEAP if network == FAST else FAST
    assert sent[network] > SIZE and sent[other] < 1000, sent


def network_of(traffic: Traffic) -> str:
    """Over which network the one stream goes that is held."""
    (held,) = traffic.report().held
    return held.way.partition("/")[0]


def test_another_choice_is_for_new_connections_and_moves_no_other(pool: Pool) -> None:
    """Both are opened by the agent, which was never restarted."""
    pool.choose(f'prefer = ["{FAST}"]')
    agent = pool.world.processes["alice", "agent"].pid
    old = pool.world.load(pool.alice, hold=["web.bob"], by_agent=True)
    assert network_of(old) == FAST
    said = pool.choose(f'prefer = ["{CHEAP}"]')
    assert said == "changed: prefer\n"
    before = pool.used()
    new = pool.world.load(pool.alice, hold=["web.bob"], by_agent=True)
    assert network_of(new) == CHEAP
    pool.world.wait_for("rounds of the old one", old.goes_on())
    pool.world.wait_for("rounds of the new one", new.goes_on())
    after = pool.used()
    assert after[FAST] > before[FAST] and after[CHEAP] > before[CHEAP]
    for traffic in (old, new):
        report = traffic.stop()
        assert not report.faults and not any(one.error for one in report.held), report
    assert pool.world.processes["alice", "agent"].pid == agent


def test_new_networks_and_exits_hold_without_a_restart_and_are_published(pool: Pool) -> None:
    def status() -> tuple[set[str], set[str]]:
        """The networks on which alice is met, and where her exits come out."""
        found = json.loads(pool.world.glasnost(pool.alice, "status", "--json"))
        exits = found["vantage"]["exits"]
        return {door.partition("/")[0] for door in found["doors"]}, {one["lands"] for one in exits}

    pool.choose()
    doors, lands = status()
    assert {FAST, CHEAP} <= doors and "ip4@far" not in lands
    told = pool.choose('exits = [{lands = ["ip4@far"]}]', rename=(FAST, "faster"))
    assert set(told.removeprefix("changed: ").split()) == {"networks,", "exits"}
    doors, lands = status()
    assert {"faster", CHEAP} <= doors and FAST not in doors
    assert {"ip4@far", "ip4@faster"} <= lands
