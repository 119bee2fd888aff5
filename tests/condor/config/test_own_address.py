"""Which address is a host's own: public before private before loopback, and what is up first."""

from __future__ import annotations

import ipaddress

import pytest

from glasnost.condor.config.own_address import Device, own_addresses
from glasnost.condor.config.table import Table


def devices(*texts: str) -> list[Device]:
    """``name address`` each; ``-`` before a name: it is down."""
    words = [text.split() for text in texts]
    return [
        Device(name.removeprefix("-"), ipaddress.ip_address(address), not name.startswith("-"))
        for name, address in words
    ]


LO, LO6 = "lo 127.0.0.1", "lo ::1"
HOME, OFFICE, PUBLIC = "eth0 192.168.1.7", "eth1 10.0.0.7", "eth2 198.51.100.7"
LOCAL6, PUBLIC6 = "eth0 fe80::7", "eth2 2001:db8::7"

CASES = [
    # what it shows                 NETWORK_INTERFACE  the host has                     4       6
    ("public before private", "*", [LO, HOME, PUBLIC], "198.51.100.7", ""),
    ("private before loopback", "*", [LO, HOME], "192.168.1.7", ""),
    ("the first of equal ones", "*", [HOME, OFFICE], "192.168.1.7", ""),
    ("nothing but loopback", "*", [LO, LO6], "127.0.0.1", "::1"),
    ("loopback before IPv6 of the link", "*", [LOCAL6, LO6], "", "::1"),
    ("what is down comes last", "*", ["-eth9 203.0.113.1", LO], "127.0.0.1", ""),
    ("by name", "ETH*", [PUBLIC6, LO, LO6], "", "2001:db8::7"),
    ("by address", "192.168.*", [PUBLIC, HOME], "192.168.1.7", ""),
    ("by several", "eth1, lo", [PUBLIC, LO, OFFICE], "10.0.0.7", ""),
    ("a literal needs no interface", "203.0.113.9", [LO], "203.0.113.9", ""),
    ("not one of the link", "fe80::7", [LO, LOCAL6], "", "fe80::7"),
    ("none", "eth7", [LO], "", ""),
]


@pytest.mark.parametrize(
    "wanted, has, ip4, ip6", [case[1:] for case in CASES], ids=[c[0] for c in CASES]
)
def test_the_choice(wanted: str, has: list[str], ip4: str, ip6: str) -> None:
    table = Table("TOOL", "", {})
    table.set("NETWORK_INTERFACE", wanted)
    found = own_addresses(table, devices(*has))
    assert (found["ipv4_address"], found["ipv6_address"]) == (ip4, ip6)
    assert found["ip_address"] == (ip4 or ip6)
    assert found["ip_address_is_ipv6"] == ("true" if ip6 and not ip4 else "false")


def test_a_protocol_that_is_off_does_not_count() -> None:
    table = Table("TOOL", "", {})
    table.set("ENABLE_IPV4", "false")
    assert own_addresses(table, devices(PUBLIC, LO6))["ip_address"] == "::1"
