"""Landings and the sets of them."""

import pytest

from glasnost.core.address import Landing, parse_reach, reach_text
from glasnost.errors import AddressError


def test_a_landing_prints_what_it_reads() -> None:
    assert str(Landing.parse("ip4@example.com")) == "ip4@example.com"
    assert Landing.parse("ip4@public") == Landing("ip4", "public")


def test_a_set_is_written_in_one_way() -> None:
    both = {Landing("ip6", "public"), Landing("ip4", "public")}
    assert reach_text(both) == "ip4@public+ip6@public"
    assert parse_reach("ip6@public+ip4@public") == both
    assert reach_text(parse_reach("none")) == "none"


@pytest.mark.parametrize(
    "text, column, expected",
    [
        ("", 1, "a protocol"),
        ("IP4@public", 1, "a protocol"),
        ("ip4", 4, '"@"'),
        ("ip4@", 5, "a network"),
        ("ip4@pub lic", 8, "a network"),
        ("ip4@a+", 7, "a protocol"),
        ("ip4@a+ip6", 10, '"@"'),
        ("none+ip4@a", 5, '"@"'),
    ],
)
def test_a_malformed_set_is_refused_with_its_column(text: str, column: int, expected: str) -> None:
    with pytest.raises(AddressError) as caught:
        parse_reach(text)
    assert caught.value.column == column
    assert expected in caught.value.expected
    assert caught.value.text == text


def test_a_landing_built_in_code_is_checked() -> None:
    for protocol, network in (("", "a"), ("ip4", ""), ("ip4", "A"), ("i@p", "a")):
        with pytest.raises(AddressError):
            Landing(protocol, network)
