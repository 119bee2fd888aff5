"""From addresses and settings to exits, return routes and doors: plain arithmetic on facts."""

from __future__ import annotations

import pytest

from glasnost.net.interfaces import HostFacts, InterfaceAddress
from glasnost.roles.vantage import dial_ranges, doors, networks_of, vantage_of
from glasnost.settings import Network, Settings

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


def test_a_private_address_that_no_network_names_is_never_published() -> None:
    assert doors(facts("192.168.1.5", "fd00::5"), Settings(), 9618, None) == []


def test_behind_a_nat_one_reaches_the_public_network_and_is_not_reached() -> None:
    behind = facts("192.168.1.5", default="ip4")
    vantage = vantage_of(behind, Settings(), doors(behind, Settings(), 9618, "/run/p.sock"))
    assert [str(one.lands) for one in vantage.exits] == ["unix@host.4f2a91", "ip4@public"]
    assert vantage.returns == ()


def test_without_a_default_route_the_public_network_is_out_of_reach() -> None:
    vantage = vantage_of(facts("10.8.0.5", default=""), Settings(networks=(LAB,)))
    assert {str(one) for one in vantage.reach} == {"unix@host.4f2a91", "ip4@lab"}


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
