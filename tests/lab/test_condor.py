"""HTCondor's daemons behind NAT and firewalls, and clients that reach them by our own broker: who
can be dialled is, and everybody else by relay, across protocols too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import msgspec
import pytest

from glasnost.condor.addresses.reading import parse
from glasnost.condor.pool import Pool
from glasnost.errors import ConnectFailed
from glasnost.settings import ExitSetting
from glasnost.testing.lab import Host, Lab
from tests.lab import servers
from tests.lab.condor_site import (
    PATIENT,
    Daemon,
    Ours,
    ask,
    behind,
    beside,
    broker,
    broker_behind,
    ours_behind,
    reach,
)

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("needs_lab")]


class Site:
    """A broker with both protocols on the internet; daemons that no connection reaches: one with
    IPv4 behind NAT, one with IPv6 behind a firewall; and clients."""

    def __init__(self, lab: Lab, stack: ExitStack) -> None:
        campus = lab.site("campus")
        institute = lab.site("institute", ip4=None, ip6=True)
        office = lab.site("office", ip4="192.168.1.0/24")
        cm = lab.host("cm")
        four, six = lab.host("four", campus), lab.host("six", institute)
        laptop = lab.host("laptop", office)
        inner, deep = lab.host("inner", campus), lab.host("deep", campus)
        self.clients = {
            "on the internet": lab.host("public"),
            "with IPv4 only": lab.host("only4", ip6=False),
            "with IPv6 only": lab.host("only6", ip4=False),
            "behind NAT": lab.host("desk", office),
        }
        lab.up()
        stack.enter_context(beside(cm, lambda: broker(cm)))
        self.daemons: dict[str, Daemon | Ours] = {
            "IPv4 behind NAT": stack.enter_context(beside(four, lambda: behind(four, cm))),
            "IPv6 behind a firewall": stack.enter_context(beside(six, lambda: behind(six, cm))),
        }
        self.daemons["behind a port of ours"] = stack.enter_context(
            beside(laptop, lambda: ours_behind(laptop, cm))
        )
        through = stack.enter_context(beside(inner, lambda: broker_behind(inner, cm))).contact
        self.daemons["behind two brokers"] = stack.enter_context(
            beside(deep, lambda: behind(deep, inner, through))
        )


@pytest.fixture(scope="module")
def site(lab_reason: str | None) -> Iterator[Site]:
    if lab_reason is not None:
        pytest.skip(lab_reason)
    with Lab() as lab, ExitStack() as stack:
        yield Site(lab, stack)


#: Who can be dialled back by whom. Behind NAT nobody is; and no protocol reaches the other.
WAYS = {
    ("on the internet", "IPv4 behind NAT"): "dial-back",
    ("on the internet", "IPv6 behind a firewall"): "dial-back",
    ("with IPv4 only", "IPv4 behind NAT"): "dial-back",
    ("with IPv4 only", "IPv6 behind a firewall"): "relay",
    ("with IPv6 only", "IPv4 behind NAT"): "relay",
    ("with IPv6 only", "IPv6 behind a firewall"): "dial-back",
    ("behind NAT", "IPv4 behind NAT"): "relay",
    ("behind NAT", "IPv6 behind a firewall"): "relay",
    ("on the internet", "behind a port of ours"): "dial-back",
    ("with IPv6 only", "behind a port of ours"): "relay",
}


@pytest.mark.parametrize(("client", "daemon"), WAYS, ids=[" to ".join(pair) for pair in WAYS])
def test_a_daemon_is_reached_wherever_both_reach_the_broker(
    site: Site, client: str, daemon: str
) -> None:
    address = site.daemons[daemon].address
    ways = ask(site.clients[client], lambda pool: reach(pool, address))
    assert ways == (WAYS[client, daemon],)


def test_who_assumes_a_firewall_asks_for_relays_at_once(site: Site) -> None:
    address = site.daemons["IPv4 behind NAT"].address
    host: Host = site.clients["on the internet"]
    told = {"TOOLS_ASSUME_FIREWALLS": "true"}
    ways = ask(host, lambda pool: reach(pool, address), told=told)
    assert ways == ("relay",)


@pytest.mark.parametrize(
    ("client", "ways"),
    [
        ("on the internet", ("dial-back", "dial-back")),
        ("with IPv6 only", ("relay", "relay")),
        ("behind NAT", ("relay", "relay")),
    ],
)
def test_a_broker_behind_a_broker_is_asked_in_its_turn(
    site: Site, client: str, ways: tuple[str, ...]
) -> None:
    address = site.daemons["behind two brokers"].address
    assert ask(site.clients[client], lambda pool: reach(pool, address)) == ways


def test_of_several_brokers_one_that_lives_is_enough(site: Site) -> None:
    """HTCondor's tools take them in any order, one after the other."""
    daemon = site.daemons["IPv4 behind NAT"]
    # Nobody listens there, on a host that is up; and one address that nobody has.
    gone = [f"{site.clients['with IPv4 only'].ip4}:9#1", "198.51.100.99:9618#2"]
    own = parse(daemon.address)
    sinful = own.with_params(CCBID=" ".join([*gone, *own.contacts]))

    async def pinged(pool: Pool) -> str:
        found = await pool.ping(str(sinful))
        return str(found.connected.path.route.stages[1])

    for client in ("with IPv4 only", "behind NAT"):
        assert ask(site.clients[client], pinged) == "condor.sock:collector"


def test_no_host_of_the_pool_has_both_protocols(lab_reason: str | None, tmp_path: Path) -> None:
    """The broker has IPv4 alone, like the daemon behind NAT, and the client IPv6 alone; what leads
    from one to the other is an ordinary proxy, which the client has among its exits."""
    servers.need("microsocks")
    with Lab() as lab, ExitStack() as stack:
        campus = lab.site("campus")
        cm, client = lab.host("cm", ip6=False), lab.host("client", ip4=False)
        proxy, four = lab.host("proxy"), lab.host("four", campus)
        lab.up()
        servers.microsocks(proxy, 1080, tmp_path)
        stack.enter_context(beside(cm, lambda: broker(cm)))
        daemon = stack.enter_context(beside(four, lambda: behind(four, cm)))
        way_out = ExitSetting(("ip4@public",), name="gate", via=f"ip6:[{proxy.ip6}]:1080/socks5")
        through = msgspec.structs.replace(PATIENT, exits=(way_out,))
        ways = ask(client, lambda pool: reach(pool, daemon.address), through)
        assert ways == ("relay",)
        with pytest.raises(ConnectFailed, match="this host has no IPv4 there"):
            ask(client, lambda pool: reach(pool, daemon.address))
