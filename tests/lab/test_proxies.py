"""``socks5`` and ``http-connect`` through proxies that none of us wrote, and a host whose only way
out is one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from glasnost.errors import StageFailed
from glasnost.settings import ProxySetting, Settings, TlsSetting
from glasnost.stages import Means
from glasnost.stages.walk import walk
from glasnost.testing.contracts import path
from glasnost.testing.lab import Lab
from glasnost.testing.world import World
from tests.lab import servers
from tests.stages.fronts import certificate

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("needs_lab")]

SIZE = 300_000
#: Where somebody listens who sends back what he gets, and where nobody does.
ECHO, NOBODY = 9000, 9001

#: The name of whom squid's certificate is.
SQUID = "proxy.example.org"
#: Each proxy: its port, and the stages that cross it.
PROXIES = {
    "microsocks": (1080, "socks5"),
    "microsocks with a password": (1081, "socks5"),
    "dante": (1082, "socks5"),
    "tinyproxy": (3128, "http-connect"),
    "tinyproxy with a password": (3129, "http-connect"),
    "squid with a password": (3130, "http-connect"),
    "squid with a password, by TLS": (3131, f"tls:{SQUID}/http-connect"),
}
LOCKED = [name for name in PROXIES if "password" in name]


class Site:
    """A client, a host with every proxy, and a host that answers."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.client, self.proxy, self.target = map(lab.host, ("client", "proxy", "target"))
        lab.up()
        login = ("-u", servers.USER, "-P", servers.PASSWORD)
        ports = [f"ConnectPort {port}" for port in (ECHO, NOBODY)]
        basic = f"BasicAuth {servers.USER} {servers.PASSWORD}"
        servers.microsocks(self.proxy, 1080, folder)
        servers.microsocks(self.proxy, 1081, folder, *login)
        servers.danted(self.proxy, 1082, folder)
        servers.tinyproxy(self.proxy, 3128, folder, *ports)
        servers.tinyproxy(self.proxy, 3129, folder, *ports, basic)
        self.shown = certificate(folder, SQUID)
        servers.squid(self.proxy, 3130, 3131, folder, self.shown)
        for host in (self.proxy, self.target):
            servers.echo(host, ECHO, folder)

    def cross(
        self, proxy: str, to: str, *, as_exit: bool = False, password: str = servers.PASSWORD
    ) -> bytes:
        """Send a line to an origin through a proxy, which stands in the route or in the exit."""
        port, stages = PROXIES[proxy]
        at = f"ip4:{self.proxy.ip4}:{port}"
        login = ProxySetting(at, servers.USER, password)
        tls = {SQUID: TlsSetting(authorities=str(self.shown.authority))}
        means = Means(settings=Settings(proxies=(login,) if password else (), tls=tls))
        via = f"{at}/{stages}"
        if as_exit:
            lands = "ip4" if to.startswith("dns:") else ""
            on = path(f"public/{to}", via=f"public/{via}", lands=lands)
        else:
            on = path(f"public/{via}/{to}")

        async def scenario() -> bytes:
            with await walk(on, means) as sock:
                return await servers.asks(sock)

        with self.client.inside():
            return asyncio.run(scenario())


@pytest.fixture(scope="module")
def site(lab_reason: str | None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    if lab_reason is not None:
        pytest.skip(lab_reason)
    servers.need("microsocks", "danted", "tinyproxy", "squid")
    with Lab() as lab:
        yield Site(lab, tmp_path_factory.mktemp("proxies"))


# --- crossing -------------------------------------------------------------------------------------


@pytest.mark.parametrize("as_exit", [False, True], ids=["in a route", "as an exit"])
@pytest.mark.parametrize("proxy", PROXIES)
def test_a_proxy_leads_to_addresses_and_to_names(site: Site, proxy: str, as_exit: bool) -> None:
    """The name is one that means something else to everybody: to the proxy, itself."""
    origins = [
        f"ip4:{site.target.ip4}:{ECHO}",
        f"ip6:[{site.target.ip6}]:{ECHO}",
        f"dns:localhost:{ECHO}",
    ]
    came = [site.cross(proxy, to, as_exit=as_exit) for to in origins]
    assert came == [b"are you there?"] * len(origins)


REFUSALS = [
    ("microsocks", NOBODY, "the proxy says: connection refused"),
    ("dante", NOBODY, "the proxy says: connection refused"),
    ("dante", servers.FORBIDDEN, "the proxy says: not allowed by its rules"),
    ("tinyproxy", NOBODY, "the proxy says: 500 Unable to connect"),
    ("tinyproxy", servers.FORBIDDEN, "the proxy says: 403 Access violation"),
    ("squid with a password", NOBODY, "the proxy says: 503 Service Unavailable"),
    ("squid with a password, by TLS", servers.FORBIDDEN, "the proxy says: 403 Forbidden"),
]


@pytest.mark.parametrize(("proxy", "port", "says"), REFUSALS)
def test_a_refusal_has_the_proxys_reason(site: Site, proxy: str, port: int, says: str) -> None:
    with pytest.raises(StageFailed) as caught:
        site.cross(proxy, f"ip4:{site.target.ip4}:{port}")
    number = 3 + PROXIES[proxy][1].count("/")
    assert (caught.value.number, caught.value.why) == (number, says)


@pytest.mark.parametrize("proxy", LOCKED)
@pytest.mark.parametrize("as_exit", [False, True], ids=["in a route", "as an exit"])
@pytest.mark.parametrize(
    ("password", "says"),
    [("wrong", "does not accept our user and password"), ("", "the proxy wants a login")],
)
def test_a_proxy_that_lets_nobody_in_says_whether_a_login_is_missing_or_wrong(
    site: Site, proxy: str, as_exit: bool, password: str, says: str
) -> None:
    with pytest.raises(StageFailed, match=says):
        site.cross(proxy, f"ip4:{site.target.ip4}:{ECHO}", as_exit=as_exit, password=password)


# --- a host whose only way out is a proxy ---------------------------------------------------------


class Pool:
    """A broker's host, a public one, and one in an office whose router lets nothing through: what
    leads out is the office's proxy alone, which wants a password."""

    def __init__(self, lab: Lab, world: World) -> None:
        self.world = world
        office = lab.site("office", inbound="drop")
        self.cm, self.alice = lab.host("cm"), lab.host("alice")
        self.proxy = lab.host("proxy", office, public=True)
        self.desk = lab.host("desk", office)
        lab.up()
        office.firewall('oifname "wan" drop', "forward")
        servers.tinyproxy(
            self.proxy, 3128, world.folder, f"BasicAuth {servers.USER} {servers.PASSWORD}"
        )
        inside = next(leg.ip4 for leg in self.proxy.legs if leg.network is office.network)
        url = f"http://{servers.USER}:{servers.PASSWORD}@{inside}:3128"
        world.variables["desk"] = {"HTTPS_PROXY": url}
        world.found(self.cm)
        for role in ("agent", "authority", "directory", "broker"):
            world.start(self.cm, role)
        world.wait_for_agents([self.cm])
        world.wait_for_names(self.cm, ["authority.cm", "directory.cm", "broker.cm"])
        world.join(self.cm, [self.alice, self.desk], {})
        for host in (self.alice, self.desk):
            world.start(host, "agent")
        world.wait_for_agents([self.alice, self.desk])
        world.serve(self.alice, "web")
        world.serve(self.desk, "notes")
        world.wait_for_names(self.cm, ["web.alice", "notes.desk"], brokered=["notes.desk"])


@pytest.fixture(scope="module")
def pool(lab_reason: str | None) -> Iterator[Pool]:
    if lab_reason is not None:
        pytest.skip(lab_reason)
    servers.need("tinyproxy")
    with Lab() as lab, World(lab) as world:
        yield Pool(lab, world)


def test_its_agent_registers_with_its_broker_and_it_is_reached_by_relay(pool: Pool) -> None:
    fetched = pool.world.fetch(pool.alice, "notes.desk", SIZE)
    assert fetched["ok"] and fetched["ways"] == ["relay"], fetched


def test_it_connects_out_through_the_proxy_and_says_so(pool: Pool) -> None:
    fetched = pool.world.fetch(pool.desk, "web.alice", SIZE)
    assert fetched["ok"] and fetched["ways"] == [], fetched
    told = json.loads(pool.world.glasnost(pool.desk, "ping", "web.alice", "--json"))
    (reached,) = [one for one in told["tried"] if one["reached"]]
    assert reached["how"] == "through HTTPS_PROXY"
    assert [one["stage"] for one in reached["stages"][:2]] == [-1, 1]


def test_what_only_the_proxy_reaches_is_not_published_as_reach(pool: Pool) -> None:
    """A dial-back leaves by no proxy. (That its IPv4 leads nowhere, the host cannot see.)"""
    plan = json.loads(pool.world.glasnost(pool.desk, "explain", "web.alice", "--json"))
    exits = [(one["lands"], "stages" in one) for one in plan["vantage"]["exits"]]
    beyond = [one for one in exits if one[0].endswith("@public")]
    assert beyond == [("ip4@public", False), ("ip6@public", True), ("ip4@public", True)]
    record = json.loads(pool.world.glasnost(pool.alice, "lookup", "notes.desk", "--json"))
    assert record["reach"] == ["ip4@public"]


def test_the_doctor_logs_in_at_the_proxy_too(pool: Pool) -> None:
    """It makes connections of its own, beside the agent's."""
    found = pool.world.glasnost(pool.desk, "doctor", check=False)
    assert "directories\n  ok       directory.cm" in found, found
