"""The display form: what routes have in common is written once, and expands to the same routes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glasnost.core.address import Address
from glasnost.core.address.display import display, parse_display
from glasnost.core.address.limits import MAX_NESTING, MAX_ROUTES, MAX_STAGES, MAX_TEXT
from glasnost.errors import AddressError
from tests.core.address.examples import EXAMPLES
from tests.core.address.strategies import ADDRESSES, ALIKE, TEXTS

SHOWN = [
    # name                        routes (of "n")               shown
    ("one route", "a/b", "n/a/b"),
    ("nothing in common", "a b", "n/{a|b}"),
    ("the same end", "a/x b/x", "n/{a|b}/x"),
    ("the same beginning", "a/x a/y", "n/a/{x|y}"),
    ("the same middle", "a/x/c b/x/d", "n/{a/x/c|b/x/d}"),
    ("every combination", "a/c a/d b/c b/d", "n/{a|b}/{c|d}"),
    ("combinations between others", "x/a/c/y x/a/d/y x/b/c/y x/b/d/y", "n/x/{a|b}/{c|d}/y"),
    ("combinations in another order", "a/c b/c a/d b/d", "n/{{a|b}/c|{a|b}/d}"),
    ("a group in a group", "a/b a/c d", "n/{a/{b|c}|d}"),
    ("one inside another", "a a/b a/b/c", "n/{a|a/b|a/b/c}"),
    ("twice the same", "a/b a/b", "n/a/{b|b}"),
    ("neighbours that end alike", "a/x b/x c", "n/{{a|b}/x|c}"),
]


@pytest.mark.parametrize("name, routes, shown", SHOWN, ids=[case[0] for case in SHOWN])
def test_what_routes_share_is_shown_once(name: str, routes: str, shown: str) -> None:
    address = Address.parse(",".join(f"n/{route}" for route in routes.split()))
    assert display(address) == f"'{shown}'"
    assert parse_display(shown) == parse_display(f'"{shown}"') == address


def test_networks_are_not_alternatives() -> None:
    address = Address.parse("lab/a:1/b,public/a:1/b,lab/c,lab/d")
    assert display(address) == "'lab/a:1/b,public/a:1/b,lab/{c|d}'"


@pytest.mark.parametrize("text", EXAMPLES)
def test_every_example_survives_display(text: str) -> None:
    assert str(parse_display(display(Address.parse(text)))) == text
    assert str(parse_display(text)) == text


@given(ADDRESSES | ALIKE)
def test_a_display_expands_to_the_same_routes_in_the_same_order(address: Address) -> None:
    shown = display(address)
    assert parse_display(shown) == address
    assert len(shown) <= len(str(address)) + 2


REFUSED = [
    ("", 1, "a stage"),
    ("a", 2, '"/" and a stage'),
    ("'a/b", 5, "that ends the quotation"),
    ("'a/b'x", 7, "that ends the quotation"),
    ("'", 2, "that ends the quotation"),
    ("a/{b|c", 7, '"}"'),
    ("a/{b|c}}", 8, "the end of the address"),
    ("a/{b|}", 6, "a stage"),
    ("a/{}", 4, "a stage"),
    ("a/{b,c}", 5, '"}"'),
    ("a/b|c", 4, "the end of the address"),
    ("a/x{b|c}", 4, "the end of the address"),
    ("a/{b|c}d", 8, "the end of the address"),
    ("a/{b|ip4:192.0.2.1:0}", 20, "a port"),
    ("A/b", 1, "a network"),
    ("a/" + "{" * (MAX_NESTING + 1), MAX_NESTING + 3, "deep"),
    ("a/" + "/".join(["{b|c}"] * 6), 33, f"at most {MAX_ROUTES} routes"),
    ("a/{" + "|".join("b" * (MAX_ROUTES + 1)) + "}", 68, f"at most {MAX_ROUTES} routes"),
    ("a/" + "/".join("b" * (MAX_STAGES + 1)), 35, f"at most {MAX_STAGES} stages"),
]


@pytest.mark.parametrize("text, column, expected", REFUSED, ids=[case[0][:30] for case in REFUSED])
def test_what_is_no_display_form_is_refused_with_its_column(
    text: str, column: int, expected: str
) -> None:
    with pytest.raises(AddressError) as caught:
        parse_display(text)
    assert expected in caught.value.expected
    assert caught.value.column == column
    assert caught.value.text == text


BRACED = st.lists(st.sampled_from([*"{}|/,'", "a", "b:1", "n/", "/{", "|c"]), max_size=16)


@given(TEXTS | BRACED.map("".join))
def test_any_text_is_a_display_form_or_is_refused_with_a_column(text: str) -> None:
    refused = None
    try:
        address = parse_display(text)
        assert parse_display(display(address)) == address
    except AddressError as error:
        refused = error
    if refused is not None:
        assert 1 <= refused.column <= len(text) + 1
        assert refused.text == text


def test_a_text_that_is_too_long_is_not_looked_at() -> None:
    with pytest.raises(AddressError, match=str(MAX_TEXT)):
        parse_display("'" + "{" * (MAX_TEXT + 1) + "'")
