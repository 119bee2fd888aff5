"""What a target dials when a stranger asks it to."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glasnost.core.dialpolicy import Network, why_not

LAN = [ip_network("10.1.0.0/16"), ip_network("fd12:3456::/48")]
#: As wide as a mistaken setting can be.
EVERYTHING: list[Network] = [ip_network("0.0.0.0/0"), ip_network("::/0")]

ALLOWED = [
    # name, host, own ranges
    ("a public address", "8.8.8.8", []),
    ("a public IPv6 address", "2a00:1450:4001::1", []),
    ("a neighbour", "10.1.200.3", LAN),
    ("an IPv6 neighbour", "fd12:3456::7", LAN),
    ("a public address by NAT64", "64:ff9b::808:808", []),
]

REFUSED = [
    # name, host, own ranges, what the sentence says
    ("another site's 10.x", "10.2.0.1", LAN, "on no network with it"),
    ("no range at all", "192.168.1.1", [], "not globally routable"),
    ("shared address space", "100.64.0.1", [], "not globally routable"),
    ("documentation", "203.0.113.9", [], "not globally routable"),
    ("newer documentation", "3fff::1", [], "not globally routable"),
    ("unique local", "fd00::1", [], "not globally routable"),
    ("site-local", "fec0::1", [], "not globally routable"),
    ("not handed out", "4000::1", [], "not globally routable"),
    ("loopback", "127.0.0.1", EVERYTHING, "loopback"),
    ("all of loopback", "127.9.9.9", EVERYTHING, "loopback"),
    ("IPv6 loopback", "::1", EVERYTHING, "loopback"),
    ("what Linux takes for loopback", "0.0.0.0", EVERYTHING, "this host"),
    ("unspecified", "::", EVERYTHING, "unspecified"),
    ("metadata", "169.254.169.254", EVERYTHING, "link-local"),
    ("metadata on AWS", "fd00:ec2::254", EVERYTHING, "metadata"),
    ("metadata on Alibaba", "100.100.100.200", EVERYTHING, "metadata"),
    ("metadata on Oracle", "192.0.0.192", EVERYTHING, "metadata"),
    ("metadata on Azure", "168.63.129.16", [], "metadata"),
    ("metadata on Google", "fd20:ce::254", EVERYTHING, "metadata"),
    ("metadata on Scaleway", "fd00:42::42", EVERYTHING, "metadata"),
    ("link-local", "fe80::1", EVERYTHING, "link-local"),
    ("with a zone", "fe80::1%eth0", EVERYTHING, "zone"),
    ("multicast", "224.0.0.251", EVERYTHING, "multicast"),
    ("IPv6 multicast", "ff02::1", EVERYTHING, "multicast"),
    ("broadcast", "255.255.255.255", EVERYTHING, "broadcast"),
    ("a network's broadcast", "10.1.255.255", LAN, "the broadcast address of 10.1.0.0/16"),
    ("mapped loopback", "::ffff:127.0.0.1", EVERYTHING, "written as ip4"),
    ("mapped public", "::ffff:8.8.8.8", EVERYTHING, "written as ip4"),
    ("IPv4-compatible loopback", "::127.0.0.1", EVERYTHING, "IPv4-compatible"),
    ("loopback by NAT64", "64:ff9b::7f00:1", EVERYTHING, "leads to 127.0.0.1"),
    ("our range by somebody's NAT64", "64:ff9b::a01:1", LAN, "leads to 10.1.0.1"),
    ("local NAT64", "64:ff9b:1::7f00:1", EVERYTHING, "NAT64"),
    ("6to4", "2002:7f00:1::", EVERYTHING, "6to4"),
    ("Teredo", "2001:0:4136:e378:8000:63bf:80ff:fffe", EVERYTHING, "Teredo"),
    ("a name", "localhost", EVERYTHING, "no IP address"),
    ("half an address", "127.1", EVERYTHING, "no IP address"),
    ("nothing", "", EVERYTHING, "no IP address"),
]


@pytest.mark.parametrize(
    ("host", "own"), [case[1:] for case in ALLOWED], ids=[c[0] for c in ALLOWED]
)
def test_is_dialled(host: str, own: list[Network]) -> None:
    assert why_not(host, own) is None


@pytest.mark.parametrize(
    ("host", "own", "says"), [case[1:] for case in REFUSED], ids=[c[0] for c in REFUSED]
)
def test_is_not_dialled(host: str, own: list[Network], says: str) -> None:
    assert says in (why_not(host, own) or "")


@given(st.ip_addresses())
def test_no_range_of_ours_opens_what_only_we_reach(address: IPv4Address | IPv6Address) -> None:
    if address.is_loopback or address.is_link_local or address.is_multicast:
        assert why_not(str(address), EVERYTHING) is not None


@given(st.ip_addresses(v=4))
def test_without_ranges_only_the_internet_is_dialled(address: IPv4Address) -> None:
    if why_not(str(address)) is None:
        assert address.is_global
