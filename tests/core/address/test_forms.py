"""Builtin types, JSON and MessagePack: what was written is read, all else refused with a place."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glasnost.core.address import Address, Route, Stage
from glasnost.core.address.forms import (
    from_builtins,
    from_json,
    from_msgpack,
    to_builtins,
    to_json,
    to_msgpack,
)
from glasnost.core.address.limits import MAX_FORM, MAX_ROUTE_TEXT, MAX_ROUTES, MAX_STAGES
from glasnost.errors import FormError
from tests.core.address.examples import EXAMPLES
from tests.core.address.strategies import ADDRESSES, ROUTES, STAGES


@given(ADDRESSES)
def test_an_address_survives_each_form(address: Address) -> None:
    assert from_builtins(Address, to_builtins(address)) == address
    assert from_json(Address, to_json(address)) == address
    assert from_msgpack(Address, to_msgpack(address)) == address


@given(ROUTES, STAGES)
def test_routes_and_stages_survive_each_form(route: Route, stage: Stage) -> None:
    assert from_json(Route, to_json(route)) == from_msgpack(Route, to_msgpack(route)) == route
    assert from_json(Stage, to_json(stage)) == from_msgpack(Stage, to_msgpack(stage)) == stage


@pytest.mark.parametrize("text", EXAMPLES)
def test_every_example_survives_each_form(text: str) -> None:
    address = Address.parse(text)
    assert str(from_json(Address, to_json(address))) == text
    assert str(from_msgpack(Address, to_msgpack(address))) == text
    assert json.loads(to_json(address)) == to_builtins(address)


def test_the_form_of_an_address() -> None:
    assert to_builtins(Address.parse("lab/ccb:n:reach=none/pigeon:%41/socks5")) == {
        "v": 1,
        "routes": [
            {
                "network": "lab",
                "stages": [
                    {"kind": "ccb", "args": ["n"], "options": {"reach": "none"}},
                    {"kind": "pigeon", "args": ["A"], "text": "pigeon:%41"},
                    {"kind": "socks5"},
                ],
            }
        ],
    }


def test_fields_that_nobody_knows_are_skipped() -> None:
    assert from_builtins(Stage, {"v": 1, "kind": "x", "weight": 7}) == Stage("x")


def test_what_is_not_canonical_becomes_so() -> None:
    form = {"v": 1, "kind": "ip6", "args": ["2001:DB8::7", "09618"]}
    assert str(from_builtins(Stage, form)) == "ip6:[2001:db8::7]:9618"


def stages(*forms: dict[str, Any]) -> dict[str, Any]:
    return {"v": 1, "routes": [{"network": "lab", "stages": list(forms)}]}


REFUSED: list[tuple[str, object, str, str]] = [
    ("no object", [], "$", "object"),
    ("no version", {"routes": []}, "$", "`v`"),
    ("a version to come", {"v": 2, "paths": 1}, "$.v", "version 1"),
    ("a version before the first", {"v": 0}, "$.v", "version 1"),
    ("no routes", {"v": 1, "routes": []}, "$.routes", "length >= 1"),
    ("no stages", stages(), "$.routes[0].stages", "length >= 1"),
    ("many stages", stages(*[{"kind": "x"}] * 17), "$.routes[0].stages", f"<= {MAX_STAGES}"),
    ("no kind", stages({}), "$.routes[0].stages[0]", "`kind`"),
    ("a number", stages({"kind": "x", "args": [7]}), "$.routes[0].stages[0].args[0]", "str"),
    ("a wrong kind", stages({"kind": "X"}), "$.routes[0].stages[0]", "a stage kind"),
    (
        "a wrong argument",
        stages({"kind": "x"}, {"kind": "ip4", "args": ["192.0.2.1", "0"]}),
        "$.routes[0].stages[1]",
        "a port",
    ),
    ("a wrong text", stages({"kind": "x", "text": "%"}), "$.routes[0].stages[0]", "a stage"),
    (
        "a text that says something else",
        stages({"kind": "x", "args": ["a"], "text": "x:b"}),
        "$.routes[0].stages[0].text",
        "what the other fields say",
    ),
    (
        "a wrong network",
        {"v": 1, "routes": [{"network": "", "stages": [{"kind": "x"}]}]},
        "$.routes[0]",
        "a network",
    ),
    (
        "a long route",
        stages({"kind": "x", "args": ["a" * MAX_ROUTE_TEXT]}),
        "$.routes[0]",
        str(MAX_ROUTE_TEXT),
    ),
    ("a key that is none", {1: 2}, "key in $", "`str`"),
]


@pytest.mark.parametrize("name, form, place, expected", REFUSED, ids=[case[0] for case in REFUSED])
def test_what_is_no_form_is_refused_with_its_place(
    name: str, form: object, place: str, expected: str
) -> None:
    with pytest.raises(FormError) as caught:
        from_builtins(Address, form)
    assert caught.value.place == place
    assert expected in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"{", b'"\xff"', b"[" * 100_000, b'{"v": 1e999}'])
def test_what_is_no_json_is_refused(data: bytes) -> None:
    with pytest.raises(FormError):
        from_json(Address, data)


@given(st.binary(max_size=40))
def test_any_bytes_are_a_form_or_are_refused(data: bytes) -> None:
    for read in (from_json, from_msgpack):
        with pytest.raises(FormError):
            read(Address, data)


def test_the_largest_address_fits_the_limit_of_a_form() -> None:
    # Short stages make the most of a form, and control characters of JSON.
    short = Route("n", tuple(Stage("x", ("a",), (("k", "v"),)) for _ in range(MAX_STAGES)))
    zeros = Route("n", (Stage.parse("x:" + "%01" * ((MAX_ROUTE_TEXT - 5) // 3) + "a"),))
    lower = Route("n", (Stage.parse("x:" + "%0a" * ((MAX_ROUTE_TEXT - 5) // 3) + "a"),))
    for route in (short, zeros, lower):
        address = Address((route,) * MAX_ROUTES)
        ascii_only = json.dumps(to_builtins(address), indent=8).encode()
        assert len(ascii_only) < MAX_FORM
        assert from_json(Address, ascii_only) == address


def test_more_is_not_looked_at() -> None:
    for read in (from_json, from_msgpack):
        with pytest.raises(FormError, match=str(MAX_FORM)):
            read(Address, b" " * (MAX_FORM + 1))


def test_messagepack_is_what_json_is() -> None:
    address = Address.parse(EXAMPLES[6])
    assert msgspec.msgpack.decode(to_msgpack(address)) == json.loads(to_json(address))
