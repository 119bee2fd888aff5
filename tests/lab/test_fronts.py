"""``tls`` and ``ws`` through fronts that none of us wrote, and who comes by nothing else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from glasnost.errors import StageFailed
from glasnost.settings import Settings, TlsSetting
from glasnost.stages import Means
from glasnost.stages.walk import walk
from glasnost.testing.contracts import path
from glasnost.testing.lab import Host, Lab
from glasnost.testing.world import World
from tests.lab import servers
from tests.lab.conftest import Wire, eventually
from tests.stages.fronts import NAME, certificate

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("needs_lab")]

SIZE = 300_000
ECHO = 9000
#: Where the shared ports behind the front take WebSockets.
PATH = "/glasnost"

#: Each front: its port.
FRONTS = {"haproxy": 4431, "nginx": 4432}
Start = Callable[..., Path]
STARTS: dict[str, Start] = {"haproxy": servers.haproxy, "nginx": servers.nginx_stream}


class Site:
    """A client, a host with every front, and behind them somebody who answers, and a proxy."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.client, self.front, self.target = map(lab.host, ("client", "front", "target"))
        lab.up()
        self.shown = certificate(folder)
        servers.echo(self.target, ECHO, folder)
        servers.microsocks(self.target, 1080, folder)
        self.logs: dict[str, Path] = {}
        for name, port in FRONTS.items():
            for number, behind in ((port, ECHO), (port + 10, 1080)):
                to = f"{self.target.ip4}:{behind}"
                log = STARTS[name](self.front, number, folder, self.shown, to)
                self.logs.setdefault(name, log)

    def cross(self, front: str, setting: TlsSetting, *, as_exit: bool = False) -> bytes:
        """Send a line to who answers: behind the front, or as it is an exit, through the proxy
        behind that."""
        through = f"ip4:{self.front.ip4}:{FRONTS[front] + 10 * as_exit}/tls:{NAME}"
        on = path(f"public/{through}")
        if as_exit:
            to = f"public/ip4:{self.target.ip4}:{ECHO}"
            on = path(to, via=f"public/{through}/socks5")
        means = Means(settings=Settings(tls={NAME: setting}))

        async def scenario() -> bytes:
            with await walk(on, means) as sock:
                return await servers.asks(sock)

        with self.client.inside():
            return asyncio.run(scenario())


@pytest.fixture(scope="module")
def site(lab_reason: str | None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    if lab_reason is not None:
        pytest.skip(lab_reason)
    servers.need("haproxy", "nginx", "microsocks")
    with Lab() as lab:
        yield Site(lab, tmp_path_factory.mktemp("fronts"))


@pytest.mark.parametrize("as_exit", [False, True], ids=["in a route", "in an exit"])
@pytest.mark.parametrize("whom", ["its authority", "its certificate alone"])
@pytest.mark.parametrize("front", FRONTS)
def test_a_front_whom_we_believe_leads_on(site: Site, front: str, whom: str, as_exit: bool) -> None:
    pinned = whom == "its certificate alone"
    setting = TlsSetting(
        authorities="" if pinned else str(site.shown.authority),
        pin=site.shown.pin if pinned else "",
    )
    assert site.cross(front, setting, as_exit=as_exit) == b"are you there?"


@pytest.mark.parametrize("front", FRONTS)
def test_it_is_asked_for_the_name_and_the_protocol_of_our_settings(site: Site, front: str) -> None:
    """As the front itself has written it down."""
    asked = [(NAME, ()), ("other.example.org", ("glasnost", "h2"))]
    for name, protocols in asked:
        setting = TlsSetting(pin=site.shown.pin, ask_for=name, protocols=protocols)
        assert site.cross(front, setting) == b"are you there?"
    told = "other.example.org glasnost"
    assert eventually(lambda: told in site.logs[front].read_text().splitlines())
    assert f"{NAME} -" in site.logs[front].read_text().replace(f"{NAME} \n", f"{NAME} -\n")


REFUSED = [
    ("of nobody we know", TlsSetting(), "TLS: certificate verify failed: self-signed certificate"),
    ("not the pinned one", TlsSetting(pin="0" * 64), "a certificate with another SHA-256: "),
]


@pytest.mark.parametrize("as_exit", [False, True], ids=["in a route", "in an exit"])
@pytest.mark.parametrize(("setting", "says"), [c[1:] for c in REFUSED], ids=[c[0] for c in REFUSED])
@pytest.mark.parametrize("front", FRONTS)
def test_a_front_whom_we_do_not_believe_costs_a_sentence(
    site: Site, front: str, setting: TlsSetting, says: str, as_exit: bool
) -> None:
    with pytest.raises(StageFailed) as caught:
        site.cross(front, setting, as_exit=as_exit)
    # Of an exit's three stages it is the second; the last is 0.
    assert (caught.value.number, caught.value.stage) == (-1 if as_exit else 2, f"tls:{NAME}")
    assert says in caught.value.why


def test_a_front_that_speaks_nothing_we_offer_says_so(site: Site) -> None:
    """haproxy goes on without a protocol where there is none in common."""
    with pytest.raises(StageFailed, match="the peer ended the handshake: no application protocol"):
        site.cross("nginx", TlsSetting(pin=site.shown.pin, protocols=("h2",)))


# --- where only HTTPS passes ----------------------------------------------------------------------


class Pool:
    """An office that is reached through its fronts alone, whose firewalls let port 443 in; a guest,
    whose router lets port 443 out, and nothing else; and somebody at home, whom nothing stops.

    The front is nginx, which leads to one host by one path and to the next by another. Of the
    others, one shows a certificate of somebody else; one leaves TLS out.
    """

    def __init__(self, lab: Lab, world: World) -> None:
        self.world = world
        office, hotel = lab.site("office", inbound="drop"), lab.site("hotel", inbound="drop")
        self.front, self.wrong, self.bare = (
            lab.host(name, office, public=True) for name in ("front", "wrong", "bare")
        )
        self.cm, self.shop, self.till = (lab.host(name, office) for name in ("cm", "shop", "till"))
        self.home, self.guest = lab.host("home"), lab.host("guest", hotel)
        lab.up()
        for front in (self.front, self.wrong, self.bare):
            front.firewall('iifname "eth1" tcp dport != 443 drop')
        office.firewall('oifname "wan" drop', "forward")
        hotel.firewall('oifname "wan" tcp dport != 443 drop', "forward")
        hotel.firewall('oifname "wan" meta l4proto != tcp drop', "forward")
        self._start_fronts()
        world.found(self.cm, "office")
        self._advertise(self.cm, by(self.front, "cm"))
        for role in ("agent", "authority", "directory"):
            world.start(self.cm, role)
        world.wait_for_agents([self.cm])
        world.wait_for_names(self.cm, ["authority.cm", "directory.cm"])
        members = [self.shop, self.till, self.home, self.guest]
        world.join(self.cm, members, {"shop": ["office"], "till": ["office"]})
        self._advertise(self.shop, by(self.wrong, "shop"), by(self.front, "shop"))
        self._advertise(self.till, by(self.bare, "till", tls=False))
        for host in members:
            world.start(host, "agent")
        world.wait_for_agents(members)
        world.serve(self.shop, "web")
        world.serve(self.till, "sums")
        world.wait_for_names(self.guest, ["web.shop", "sums.till"])

    def _start_fronts(self) -> None:
        folder, shown = self.world.folder / "fronts", []
        for name in (NAME, "other.example.org"):
            (place := folder / name).mkdir(parents=True)
            shown.append(certificate(place, name))
        good, wrong = shown
        inside = (self.cm, self.shop, self.till)
        paths = {f"/{host.name}": f"http://{host.ip4}:9618{PATH}" for host in inside}
        servers.nginx_http(self.front, 443, good.key.parent, good, paths)
        servers.haproxy(self.wrong, 443, wrong.key.parent, wrong, f"{self.shop.ip4}:9618")
        (place := folder / "bare").mkdir()
        servers.nginx_http(self.bare, 443, place, None, paths)
        both = folder / "authorities.pem"
        both.write_bytes(good.authority.read_bytes() + wrong.authority.read_bytes())
        self.world.settings = f'websocket = "{PATH}"\n[tls."{NAME}"]\nauthorities = "{both}"\n'

    def _advertise(self, host: Host, *routes: str) -> None:
        """Publish these ways in, beside the host's own address in the office."""
        file = self.world.folder / host.name / "glasnost.toml"
        file.write_text(f"advertise = {json.dumps(['found', *routes])}\n{file.read_text()}")


def by(front: Host, name: str, *, tls: bool = True) -> str:
    """The way to the host of this name, through a front."""
    outside = next(leg.ip4 for leg in front.legs if leg.interface == "eth1")
    return f"public/ip4:{outside}:443{f'/tls:{NAME}' if tls else ''}/ws:{NAME}:%2F{name}"


@pytest.fixture(scope="module")
def pool(lab_reason: str | None) -> Iterator[Pool]:
    if lab_reason is not None:
        pytest.skip(lab_reason)
    servers.need("haproxy", "nginx")
    with Lab() as lab, World(lab) as world:
        yield Pool(lab, world)


def test_only_https_passes(pool: Pool, wire: Wire) -> None:
    """So whatever the guest's programs did until here, joining the pool as well, went by that."""
    outside = next(leg.ip4 for leg in pool.front.legs if leg.interface == "eth1")
    assert wire.outcome(pool.home, pool.home.ip4) == "connected"
    assert wire.outcome(pool.guest, pool.home.ip4, silent=True) == "silence"
    assert wire.outcome(pool.home, str(outside), 22, silent=True) == "silence"
    assert wire.outcome(pool.guest, str(outside), 443) == "connected"


@pytest.mark.parametrize("who", ["guest", "home"])
def test_a_published_route_by_https_is_used_by_name_and_the_front_of_another_is_not(
    pool: Pool, who: str
) -> None:
    fetched = pool.world.fetch(getattr(pool, who), "web.shop", SIZE)
    assert fetched["ok"], fetched
    assert (fetched["route"], fetched["ways"]) == (f"{by(pool.front, 'shop')}/service:web", [])
    (tried,) = fetched["tried"]
    assert f"stage 2 (tls:{NAME}): TLS: certificate verify failed: Hostname mismatch" in tried


def test_nobody_keeps_anything_of_those_who_came_by_a_front(pool: Pool) -> None:
    """What is needed for the first of them is needed once."""
    assert pool.world.fetch(pool.guest, "web.shop", SIZE)["ok"]
    before = pool.world.census_at_rest()
    for _ in range(3):
        assert pool.world.fetch(pool.guest, "web.shop", SIZE)["ok"]
    pool.world.wait_until_nothing_grew(before)


def test_a_published_route_by_websocket_alone_is_used_by_name(pool: Pool) -> None:
    fetched = pool.world.fetch(pool.guest, "sums.till", SIZE)
    route = f"{by(pool.bare, 'till', tls=False)}/service:sums"
    assert fetched["ok"] and fetched["route"] == route, fetched


def test_a_path_that_leads_nowhere_costs_the_fronts_own_word(pool: Pool) -> None:
    authority = pool.world.folder / "fronts" / "authorities.pem"
    setting = TlsSetting(authorities=str(authority))
    on = path(f"{by(pool.front, 'elsewhere')}/service:web")
    with pool.home.inside(), pytest.raises(StageFailed) as caught:
        asyncio.run(walk(on, Means(settings=Settings(tls={NAME: setting}))))
    assert (caught.value.number, caught.value.why) == (3, "the front says: 200 OK")
