"""The examples of RFC 6724, section 10, as far as their facts are ours, and its definitions.

Left out: those that turn on home or care-of, deprecated or temporary addresses, which no vantage
tells apart.
"""

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glasnost.core.address.literals import ip6
from glasnost.core.routes.rfc6724 import GLOBAL, LINK_LOCAL, SITE_LOCAL, fit, literal, source_for

# 10.1: destination, candidate sources, the chosen one.
SOURCES = [
    ("prefer appropriate scope", "2001:db8:1::1", "2001:db8:3::1 fe80::1", "2001:db8:3::1"),
    ("a multicast destination", "ff05::1", "2001:db8:3::1 fe80::1", "2001:db8:3::1"),
    ("prefer same address", "2001:db8:1::1", "2001:db8:2::1 2001:db8:1::1", "2001:db8:1::1"),
    ("the narrow is wide enough", "fe80::1", "2001:db8:1::1 fe80::2", "fe80::2"),
    ("longest matching prefix", "2001:db8:1::1", "2001:db8:3::2 2001:db8:1::2", "2001:db8:1::2"),
    (
        "prefer matching label",
        "2002:c633:6401::1",
        "2001:db8:1::2 2002:c633:6401::d5e3:7953:13eb:22e8",
        "2002:c633:6401::d5e3:7953:13eb:22e8",
    ),
    ("the widest of the too narrow", "2001:db8::1", "fe80::2 fec0::2", "fec0::2"),
    ("the only one of its family", "192.0.2.1", "2001:db8::1 169.254.0.1", "169.254.0.1"),
]


@pytest.mark.parametrize(
    "there, own, chosen", [c[1:] for c in SOURCES], ids=[c[0] for c in SOURCES]
)
def test_the_source_for_a_destination(there: str, own: str, chosen: str) -> None:
    assert source_for(there, own.split()) == chosen
    assert source_for(there, own.split()[::-1]) == chosen


def test_without_a_source_of_its_family_nothing_is_held_against_a_destination() -> None:
    assert source_for("192.0.2.1", ["2001:db8::1"]) is None
    assert fit("192.0.2.1", ["2001:db8::1"]) == fit("192.0.2.1", ["192.0.2.9"])


# 10.2: candidate sources, the destination that goes first, the other one, the rule.
DESTINATIONS = [
    ("2001:db8:1::2 fe80::1 169.254.13.78", "2001:db8:1::1", "198.51.100.121", "scope_differs"),
    ("fe80::1 198.51.100.117", "198.51.100.121", "2001:db8:1::1", "scope_differs"),
    ("2001:db8:1::2 fe80::1 10.1.2.4", "2001:db8:1::1", "10.1.2.3", "precedence"),
    ("2001:db8:1::2 fe80::2", "fe80::1", "2001:db8:1::1", "scope"),
    ("2001:db8:1::2 2001:db8:3f44::2 fe80::2", "2001:db8:1::1", "2001:db8:3ffe::1", "prefix"),
    ("2002:c633:6401::2 fe80::2", "2002:c633:6401::1", "2001:db8:1::1", "label_differs"),
    ("2002:c633:6401::2 2001:db8:1::2 fe80::2", "2001:db8:1::1", "2002:c633:6401::1", "precedence"),
]


@pytest.mark.parametrize("own, first, second, rule", DESTINATIONS)
def test_the_order_of_two_destinations(own: str, first: str, second: str, rule: str) -> None:
    here, there = fit(first, own.split()), fit(second, own.split())
    assert here < there
    names = [name for name in here._fields if getattr(here, name) != getattr(there, name)]
    assert names[0] == rule


# 2.1 and 3.1: address, scope, precedence, label.
PROPERTIES = [
    ("::1", LINK_LOCAL, 50, 0),
    ("2001:db8::1", GLOBAL, 40, 1),
    ("192.0.2.1", GLOBAL, 35, 4),
    ("10.0.0.1", GLOBAL, 35, 4),
    ("127.0.0.1", LINK_LOCAL, 35, 4),
    ("127.255.255.255", LINK_LOCAL, 35, 4),
    ("126.255.255.255", GLOBAL, 35, 4),
    ("169.254.0.1", LINK_LOCAL, 35, 4),
    ("169.253.0.1", GLOBAL, 35, 4),
    ("::ffff:192.0.2.1", GLOBAL, 35, 4),
    ("2002::1", GLOBAL, 30, 2),
    ("2001::1", GLOBAL, 5, 5),
    ("2001:0:ffff::1", GLOBAL, 5, 5),
    ("2001:1::1", GLOBAL, 40, 1),
    ("fc00::1", GLOBAL, 3, 13),
    ("fdff::1", GLOBAL, 3, 13),
    ("fec0::1", SITE_LOCAL, 1, 11),
    ("feff::1", SITE_LOCAL, 1, 11),
    ("fe80::1%eth0", LINK_LOCAL, 40, 1),
    ("febf::1", LINK_LOCAL, 40, 1),
    ("3ffe::1", GLOBAL, 1, 12),
    ("3ffe:ffff::1", GLOBAL, 1, 12),
    ("::192.0.2.1", GLOBAL, 1, 3),
    ("ff02::1", LINK_LOCAL, 40, 1),
    ("ff05::1", SITE_LOCAL, 40, 1),
    ("ff1e::1", GLOBAL, 40, 1),
]


@pytest.mark.parametrize("text, scope, precedence, label", PROPERTIES)
def test_the_properties_of_an_address(text: str, scope: int, precedence: int, label: int) -> None:
    assert literal(text)[1:] == (scope, precedence, label)


def test_prefixes_count_up_to_the_interface_and_not_at_all_for_ip4() -> None:
    assert fit("2001:db8::1", ["2001:db8::2"]).prefix == -64
    assert fit("2001:db8::1", ["2001:db9::2"]).prefix == -31
    assert fit("192.0.2.1", ["192.0.2.2"]).prefix == 0


@pytest.mark.parametrize(
    "text",
    ["", "localhost", "1.2.3", "::g", "1.2.3.4%eth0", "01.2.3.4", "1::2::3", "1:2:3:4:5:6:7:8:9"],
)
def test_what_is_no_literal_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        literal(text)


LITERALS = st.ip_addresses().map(str)


@given(st.ip_addresses(v=6), st.booleans())
def test_an_address_is_a_number_however_it_is_written(address: IPv6Address, whole: bool) -> None:
    assert literal(address.exploded if whole else str(address)).value == int(address)
    assert literal(str(ip6(str(address)))).value == int(address)


@given(st.ip_addresses(v=4))
def test_an_ip4_address_is_a_mapped_one(address: IPv4Address) -> None:
    assert literal(str(address)).value == int(IPv6Address(f"::ffff:{address}"))


@given(LITERALS, st.lists(LITERALS, max_size=4))
def test_every_destination_fits_in_some_way(there: str, own: list[str]) -> None:
    chosen = source_for(there, own)
    assert chosen is None or chosen in own
    found = fit(there, own)
    assert 0 <= -found.prefix <= 64
    assert found == fit(there, own if chosen is None else [chosen])
