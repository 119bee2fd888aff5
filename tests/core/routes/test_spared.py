"""What an exit is not for: the route is planned without it, and a reason says so."""

from __future__ import annotations

import pytest

from glasnost.core.address import Address, Landing, Stage
from glasnost.core.routes import Exit, Target, Vantage, plan
from glasnost.core.routes.spared import spares
from glasnost.stages import traits

CASES = [
    # entry, origin, whether it is spared
    ("10.0.0.0/8", "ip4:10.1.2.3:80", True),
    ("10.0.0.0/8", "ip4:11.1.2.3:80", False),
    ("10.1.2.3", "ip4:10.1.2.3:80", True),
    ("10.1.2.3/8", "ip4:10.9.9.9:80", True),
    ("2001:db8::/32", "ip6:[2001:db8::7]:80", True),
    ("[2001:db8::7]", "ip6:[2001:db8::7]:80", True),
    ("fe80::/10", "ip6:[fe80::1%25eth0]:80", True),
    ("2001:db8::/32", "ip4:10.1.2.3:80", False),
    ("lab.example.org", "dns:lab.example.org:80", True),
    (".Lab.example.org", "dns:a.lab.example.org:80", True),
    ("*.lab.example.org", "dns:a.lab.example.org:80", True),
    ("lab.example.org", "dns:collab.example.org:80", False),
    ("10.1.2.3", "dns:a.example.org:80", False),
    ("lab.example.org", "ip4:10.1.2.3:80", False),
    ("10.1.2.3", "unix:%2Frun%2Fx", False),
    (".", "dns:a.example.org:80", False),
    ("10.0.0.0/99", "ip4:10.1.2.3:80", False),
]


@pytest.mark.parametrize(("entry", "origin", "spared"), CASES)
def test_addresses_ranges_and_names(entry: str, origin: str, spared: bool) -> None:
    assert spares((entry,), Stage.parse(origin)) is spared


def test_the_others_still_leave_by_it() -> None:
    public = Landing("ip4", "public")
    proxy = Exit(public, (Stage.ip("198.51.100.4", 1080), Stage("socks5")), not_for=("10.0.0.0/8",))
    there = Address.parse("public/ip4:10.1.2.3:80,public/ip4:192.0.2.7:80")
    found = plan(Vantage((proxy,)), Target(there), kinds=traits())
    assert [path.route_number for path in found.candidates] == [2]
    (left,) = found.rejected
    assert (left.route_number, left.part) == (1, "exit 1")
    assert left.reason == "it is not for ip4:10.1.2.3:80" and "NO_PROXY" in left.hint
    assert Vantage.from_dict(Vantage((proxy,)).as_dict()) == Vantage((proxy,))


def test_a_proxy_comes_after_what_is_reached_without_one() -> None:
    """Even where it gives the protocol that is tried first."""
    direct = Exit(Landing("ip4", "public"))
    proxied = Exit(Landing("ip6", "public"), (Stage.ip("198.51.100.4", 1080), Stage("socks5")))
    there = Address.parse("public/ip6:[2001:db8::7]:80,public/ip4:192.0.2.7:80")
    found = plan(Vantage((proxied, direct)), Target(there), kinds=traits())
    assert [path.how for path in found.candidates] == [
        "direct",
        "through ip4:198.51.100.4:1080/socks5",
    ]
    assert found.decided_by(1, 2) == "no proxy"
    assert "through nobody" not in found.placed(1) and "there through nobody" in found.placed(2)
