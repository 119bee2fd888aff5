"""The example addresses of the design, section 2: what is printed is what was read."""

import pytest

from glasnost.core.address import Address, Route, Stage
from tests.core.address.examples import EXAMPLES


@pytest.mark.parametrize("text", EXAMPLES)
def test_what_is_printed_is_what_was_read(text: str) -> None:
    address = Address.parse(text)
    assert str(address) == text
    assert Address.parse(str(address)) == address


LANDINGS = [
    ("public/ip6:[2607:f388::1]:9618", "ip6@public"),
    ("host.4f2a91/unix:%2Frun%2Fp.sock/service:startd", "unix@host.4f2a91"),
    ("lab/knock:fw-7/ip4:198.51.100.4:9618", "ip4@lab"),
    ("public/ip4:198.51.100.4:1080/socks5/ip6:[2001:db8::1]:9618", "ip4@public"),
    ("public/carrier-pigeon:7", "None"),
    ("public/dns:cm.example.org:9618", "None"),
]


@pytest.mark.parametrize("text, landing", LANDINGS)
def test_a_route_begins_on_its_first_origin_stage(text: str, landing: str) -> None:
    assert str(Route.parse(text).landing()) == landing


def test_a_name_may_be_reached_by_either_protocol() -> None:
    landings = Route.parse("lab/dns:cm.example.org:9618/socks5/ip4:10.0.0.1:1").landings()
    assert list(map(str, landings)) == ["ip4@lab", "ip6@lab"]
    assert Route.parse("lab/carrier-pigeon").landings() == ()


def test_routes_of_one_address_share_their_stages() -> None:
    one, two = Address.parse("lab/ip4:10.0.0.1:1/service:a,lab/ip4:10.0.0.2:1/service:a")
    assert one.stages[1] is two.stages[1]


def test_an_address_is_read_into_its_parts() -> None:
    one, two = Address.parse(EXAMPLES[8])
    assert one.network == "public"
    assert one.stages == (
        Stage.ip("2001:db8::7", 9618),
        Stage.service("broker"),
        Stage.ccb("node7"),
        Stage.service("jupyter"),
    )
    assert two == Route("lab", (Stage.ip("10.0.0.7", 9618),)).then(Stage.service("jupyter"))


def test_the_network_may_be_left_out() -> None:
    assert str(Route.parse("ip4:192.0.2.1:9618")) == "public/ip4:192.0.2.1:9618"


def test_a_first_word_without_a_colon_is_a_network_even_if_it_looks_like_a_kind() -> None:
    assert Route.parse("socks5/ip4:192.0.2.1:9618").network == "socks5"


def test_values_show_themselves_as_they_are_read() -> None:
    address = Address.parse(EXAMPLES[0])
    assert repr(address) == f"Address.parse({EXAMPLES[0]!r})"
    assert repr(address.routes[0].stages[0]) == "Stage.parse('ip4:42.82.111.3:9618')"
    assert len(address) == 1
