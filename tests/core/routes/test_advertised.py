"""What a setting may name as this host's address."""

import pytest

from glasnost.core.address import Route
from glasnost.core.routes.advertised import advertised

GOOD = [
    ("203.0.113.9", ("203.0.113.9", None)),
    ("203.0.113.9:4000", ("203.0.113.9", 4000)),
    ("2001:DB8::7", ("2001:db8::7", None)),
    ("[2001:db8::7]", ("2001:db8::7", None)),
    ("[2001:db8::7]:4000", ("2001:db8::7", 4000)),
    ("lab/ip4:10.0.0.7:9618", Route.parse("lab/ip4:10.0.0.7:9618")),
]


@pytest.mark.parametrize("text, value", GOOD)
def test_an_address_or_a_route_is_advertised(text: str, value: object) -> None:
    assert advertised(text) == value


BAD = [
    ("router.example.org", "'router.example.org' is no IP address, and no route"),
    ("203.0.113.9:0", "'0' is no port"),
    ("203.0.113.9:", "'' is no port"),
    ("203.0.113.9:70000", "'70000' is no port"),
    ("[2001:db8::7]4000x", "'4000x' is no port"),
    ("[2001:db8::7", "'' is no IP address"),
    ("fe80::1%eth0", "'fe80::1%eth0' is no IP address, and no route"),
    ("lab/ip4:10.0.0.7", "column 1"),
    ("", "'' is no IP address, and no route"),
]


@pytest.mark.parametrize("text, why", BAD)
def test_what_cannot_be_advertised_says_why(text: str, why: str) -> None:
    with pytest.raises(ValueError) as error:
        advertised(text)
    assert str(error.value).startswith(f"advertise {text!r}: ")
    assert why in str(error.value)
