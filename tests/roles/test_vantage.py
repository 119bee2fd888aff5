"""From addresses and settings to exits, return routes and doors: plain arithmetic on facts."""

from __future__ import annotations

import pytest

from glasnost.core.address import Landing, Route, Stage
from glasnost.core.routes import Exit
from glasnost.core.routes.limits import MAX_EXITS, MAX_SOURCES
from glasnost.errors import SettingsError
from glasnost.net.interfaces import HostFacts, InterfaceAddress
from glasnost.roles.vantage import check_host, dial_ranges, doors, networks_of, vantage_of
from glasnost.settings import ExitSetting, Network, Settings

LAB = Network("lab", ranges=("10.8.0.0/16",))
DECLARED = Network("public", ranges=("203.0.113.0/24",))


def facts(*addresses: str, default: str = "ip4 ip6") -> HostFacts:
    entries = tuple(
        InterfaceAddress(f"eth{number}", "ip6" if ":" in text else "ip4", text)
        for number, text in enumerate(addresses)
    )
    return HostFacts("4f2a91", entries, frozenset(default.split()))


CASES = [
    # name                                networks           address          is on
    ("a global address is public", (), "42.82.111.3", ["public"]),
    ("a private one is nowhere by itself", (), "10.8.0.5", []),
    ("a range names a network", (LAB,), "10.8.0.5", ["lab"]),
    ("outside the range it is nowhere", (LAB,), "10.9.0.5", []),
    ("an interface names a network", (Network("lab", "eth0"),), "10.9.0.5", ["lab"]),
    ("another interface does not", (Network("lab", "eth7"),), "10.9.0.5", []),
    ("a bare network takes what is private", (Network("lab"),), "192.168.1.5", ["lab"]),
    ("a bare network leaves what is global", (Network("lab"),), "42.82.111.3", ["public"]),
    ("public may be declared", (DECLARED,), "203.0.113.7", ["public"]),
    ("a bare one leaves the declared", (DECLARED, Network("lab")), "203.0.113.7", ["public"]),
    ("several networks, in their order", (Network("b"), LAB), "10.8.0.5", ["b", "lab"]),
]


@pytest.mark.parametrize(("networks", "address", "expected"), [case[1:] for case in CASES],
                         ids=[case[0] for case in CASES])  # fmt: skip
def test_networks_of_an_address(
    networks: tuple[Network, ...], address: str, expected: list[str]
) -> None:
    entry = facts(address).addresses[0]
    assert networks_of(entry, Settings(networks=networks)) == expected


def test_doors_stand_nearest_first() -> None:
    settings = Settings(networks=(LAB,))
    found = doors(facts("42.82.111.3", "10.8.0.5", "2607:f388::1"), settings, 9618, "/run/p.sock")
    assert list(map(str, found)) == [
        "host.4f2a91/unix:%2Frun%2Fp.sock",
        "lab/ip4:10.8.0.5:9618",
        "public/ip4:42.82.111.3:9618",
        "public/ip6:[2607:f388::1]:9618",
    ]


#: What every program reaches on its own machine: sockets, and loopback.
NEAR = ["unix@host.4f2a91", "ip4@host.4f2a91", "ip6@host.4f2a91"]


def test_a_private_address_that_no_network_names_is_never_published() -> None:
    assert doors(facts("192.168.1.5", "fd00::5"), Settings(), 9618, None) == []


def test_behind_a_nat_one_reaches_the_public_network_and_is_not_reached() -> None:
    behind = facts("192.168.1.5", default="ip4")
    vantage = vantage_of(behind, Settings(), doors(behind, Settings(), 9618, "/run/p.sock"))
    assert [str(one.lands) for one in vantage.exits] == [*NEAR, "ip4@public"]
    assert vantage.returns == ()


def test_without_a_default_route_the_public_network_is_out_of_reach() -> None:
    vantage = vantage_of(facts("10.8.0.5", default=""), Settings(networks=(LAB,)))
    assert {str(one) for one in vantage.reach} == {*NEAR, "ip4@lab"}


def test_a_protocol_that_is_switched_off_is_neither_used_nor_shown() -> None:
    settings = Settings(enable_ipv6=False)
    both = facts("42.82.111.3", "2607:f388::1")
    assert [str(route) for route in doors(both, settings, 1, None)] == ["public/ip4:42.82.111.3:1"]
    assert "ip6@public" not in map(str, vantage_of(both, settings).reach)


def test_targets_dial_into_ranges_they_are_on() -> None:
    assert dial_ranges(facts("10.8.0.5"), Settings(networks=(LAB,))) == ("10.8.0.0/16",)
    assert dial_ranges(facts("192.168.1.5"), Settings(networks=(LAB,))) == ()
    bare = Settings(networks=(Network("lab"),))
    assert dial_ranges(facts("192.168.1.5"), bare) == ("192.168.0.0/16",)
    # What is declared public may be dialled by whoever reaches the public network at all.
    assert dial_ranges(facts("192.168.1.5"), Settings(networks=(DECLARED,))) == DECLARED.ranges


def found(settings: Settings, *addresses: str, port: int | None = 9618) -> list[str]:
    return [str(route) for route in doors(facts(*addresses), settings, port, None)]


def test_every_address_of_every_interface_is_advertised() -> None:
    many = ("42.82.111.3", "42.82.111.4", "2607:f388::1", "2607:f388::2", "10.8.0.5", "10.8.0.6")
    assert found(Settings(networks=(LAB,)), *many) == [
        "lab/ip4:10.8.0.5:9618",
        "lab/ip4:10.8.0.6:9618",
        "public/ip4:42.82.111.3:9618",
        "public/ip4:42.82.111.4:9618",
        "public/ip6:[2607:f388::1]:9618",
        "public/ip6:[2607:f388::2]:9618",
    ]


BOUND = [
    # listen, published of 42.82.111.3 and 2607:f388::1
    (("0.0.0.0", "::"), ["ip4", "ip6"]),
    (("0.0.0.0",), ["ip4"]),
    (("::",), ["ip6"]),
    (("127.0.0.1", "::1"), []),
    (("42.82.111.3", "2607:F388:0::1"), ["ip4", "ip6"]),
    (("42.82.111.4",), []),
]


@pytest.mark.parametrize("listen, kinds", BOUND)
def test_what_is_not_bound_is_not_found(listen: tuple[str, ...], kinds: list[str]) -> None:
    routes = found(Settings(listen=listen), "42.82.111.3", "2607:f388::1")
    assert [route.split("/")[1].split(":")[0] for route in routes] == kinds


ADVERTISED = [
    # advertise, what is published of the private 10.8.0.5 (on lab)
    (("found",), ["lab/ip4:10.8.0.5:9618"]),
    ((), []),
    (("42.82.111.3",), ["public/ip4:42.82.111.3:9618"]),
    (("42.82.111.3:4000", "found"), ["public/ip4:42.82.111.3:4000", "lab/ip4:10.8.0.5:9618"]),
    (("found", "10.8.0.5"), ["lab/ip4:10.8.0.5:9618"]),
    (("10.8.9.9",), ["lab/ip4:10.8.9.9:9618"]),
    (("site/ip4:192.168.1.1:9618",), ["site/ip4:192.168.1.1:9618"]),
    (("[2607:f388::1]:4000",), ["public/ip6:[2607:f388::1]:4000"]),
]


@pytest.mark.parametrize("advertise, routes", ADVERTISED)
def test_what_is_advertised_stands_in_place_of_what_is_found_or_beside_it(
    advertise: tuple[str, ...], routes: list[str]
) -> None:
    assert found(Settings(networks=(LAB,), advertise=advertise), "10.8.0.5") == routes


def test_who_does_not_listen_advertises_nothing() -> None:
    assert found(Settings(advertise=("42.82.111.3",)), "10.8.0.5", port=None) == []


def test_what_was_advertised_for_dialling_back_is_a_literal() -> None:
    texts = "public/ip4:8.8.8.8:1 public/dns:a.org:1 public/ip4:8.8.8.8:1/ccb:a host.a/unix:%2Fp"
    routes = [Route.parse(text) for text in texts.split()]
    assert vantage_of(facts(), Settings(), routes).returns == (routes[0],)


WANTED = [
    # settings, addresses, what is wrong
    (Settings(), (), None),
    (Settings(enable_ipv4=True), ("10.8.0.5",), None),
    (Settings(enable_ipv4=True), ("2607:f388::1",), "enable_ipv4 is true, and this host has no"),
    (Settings(enable_ipv6=True), ("10.8.0.5",), "enable_ipv6 is true, and this host has no"),
    (Settings(enable_ipv6=False), ("10.8.0.5",), None),
    (Settings(advertise=("42.82.111.3", "lab/ip4:10.8.0.5:1")), (), None),
    (Settings(advertise=("10.8.0.5",)), (), "such as lab/ip4:10.8.0.5:9618"),
    (Settings(advertise=("[fd00::1]:4",)), (), "such as lab/ip6:[fd00::1]:4"),
    (Settings(advertise=("10.8.0.5",), networks=(LAB,)), (), None),
]


@pytest.mark.parametrize("settings, addresses, wrong", WANTED)
def test_a_host_is_asked_for_what_it_has(
    settings: Settings, addresses: tuple[str, ...], wrong: str | None
) -> None:
    if wrong is None:
        check_host(facts(*addresses), settings)
        return
    with pytest.raises(SettingsError) as error:
        check_host(facts(*addresses), settings)
    assert wrong in str(error.value)


def test_auto_uses_a_protocol_as_soon_as_there_is_an_address_of_it() -> None:
    assert "ip6@public" not in map(str, vantage_of(facts("42.82.111.3"), Settings()).reach)
    both = facts("42.82.111.3", "2607:f388::1")
    assert "ip6@public" in map(str, vantage_of(both, Settings()).reach)


def test_exits_know_the_addresses_that_they_could_connect_from() -> None:
    here = facts("42.82.111.3", "10.8.0.5", "2607:f388::1", "fd00::5")
    exits = vantage_of(here, Settings(networks=(LAB, Network("ula", ranges=("fd00::/8",))))).exits
    assert {str(one.lands): one.sources for one in exits} == {
        **dict.fromkeys(NEAR, ()),
        "ip4@lab": ("10.8.0.5",),
        "ip6@ula": ("fd00::5",),
        "ip6@public": ("2607:f388::1", "fd00::5"),
        "ip4@public": ("42.82.111.3", "10.8.0.5"),
    }


PROXY = ExitSetting(("ip4@public", "ip6@public"), "campus", "ip4:10.8.0.1:1080/socks5", 5)


def test_exits_of_the_settings_come_last_one_for_each_landing() -> None:
    exits = vantage_of(facts("10.8.0.5", default=""), Settings(exits=(PROXY,))).exits
    stages = (Stage.ip("10.8.0.1", 1080), Stage("socks5"))
    assert exits[len(NEAR) :] == (
        Exit(Landing("ip4", "public"), stages, 5, name="campus"),
        Exit(Landing("ip6", "public"), stages, 5, name="campus"),
    )


def test_a_direct_exit_of_a_protocol_that_is_off_is_none_and_a_proxy_is_not_asked() -> None:
    direct = ExitSetting(("ip6@lab", "ip4@lab"), source="10.8.0.5")
    settings = Settings(exits=(direct, PROXY), enable_ipv6=False)
    exits = vantage_of(facts(default=""), settings).exits
    assert [str(one.lands) for one in exits[2:]] == ["ip4@lab", "ip4@public", "ip6@public"]


def test_a_host_of_very_many_addresses_still_has_a_vantage() -> None:
    many = facts(*[f"10.{number}.0.1" for number in range(200)])
    nets = tuple(Network(f"n{number}", f"eth{number}") for number in range(200))
    exits = vantage_of(many, Settings(networks=nets, exits=(PROXY,))).exits
    assert len(exits) == MAX_EXITS
    assert [one.name for one in exits[-2:]] == ["campus", "campus"]
    assert str(exits[-3].lands) == "ip4@public" and len(exits[-3].sources) == MAX_SOURCES
