"""A vantage travels as builtin types and prints itself."""

import json
from typing import Any

import pytest
from hypothesis import given

from glasnost.core.address import Landing, Route, Stage
from glasnost.core.routes import Exit, Vantage
from glasnost.core.routes.limits import MAX_EXITS, MAX_RETURNS
from tests.core.routes.worlds import VANTAGES

PROXIED = Exit(
    Landing("ip4", "lab"),
    (Stage.ip("198.51.100.4", 1080), Stage("socks5")),
    2.5,
    "192.0.2.9",
    name="far",
)
HERE = Vantage(
    (PROXIED, Exit(Landing("ip6", "public"), sources=("2001:db8::9",))),
    (Route.parse("public/ip4:192.0.2.9:1"),),
)


def test_a_vantage_as_builtin_types() -> None:
    assert HERE.as_dict() == {
        "exits": [
            {
                "lands": "ip4@lab",
                "stages": ["ip4:198.51.100.4:1080", "socks5"],
                "cost": 2.5,
                "source": "192.0.2.9",
                "name": "far",
            },
            {"lands": "ip6@public", "sources": ["2001:db8::9"]},
        ],
        "returns": ["public/ip4:192.0.2.9:1"],
    }


def test_a_vantage_for_people() -> None:
    assert str(HERE).splitlines() == [
        "exit 1: ip4@lab through ip4:198.51.100.4:1080/socks5 from 192.0.2.9 at cost 2.5 (far)",
        "exit 2: ip6@public",
        "return 1: public/ip4:192.0.2.9:1",
    ]
    assert str(Vantage()).splitlines() == ["no exit", "no return route"]


def test_the_reach_is_where_the_exits_come_out() -> None:
    assert HERE.reach == {Landing("ip4", "lab"), Landing("ip6", "public")}


@given(VANTAGES)
def test_a_vantage_survives_its_journey(vantage: Vantage) -> None:
    assert Vantage.from_dict(json.loads(json.dumps(vantage.as_dict()))) == vantage


@pytest.mark.parametrize(
    "data",
    [
        {"exits": "ip4@public"},
        {"exits": ["ip4@public"]},
        {"exits": [{}]},
        {"exits": [{"lands": "ip4"}]},
        {"exits": [{"lands": "ip4@public", "stages": [4]}]},
        {"exits": [{"lands": "ip4@public", "cost": -1}]},
        {"exits": [{"lands": "ip4@public", "cost": float("nan")}]},
        {"exits": [{"lands": "ip4@public", "cost": float("inf")}]},
        {"exits": [{"lands": "ip4@public", "cost": "low"}]},
        {"exits": [{"lands": "ip4@public", "source": 4}]},
        {"exits": [{"lands": "ip4@public", "source": "here"}]},
        {"exits": [{"lands": "ip4@public", "sources": ["here"]}]},
        {"exits": [{"lands": "ip4@public", "sources": "192.0.2.9"}]},
        {"exits": [{"lands": "ip4@public", "name": 4}]},
        {"returns": ["public"]},
        {"returns": "public/ip4:192.0.2.9:1"},
        {"returns": ["public/ip4:192.0.2.9:1"] * (MAX_RETURNS + 1)},
        {"exits": [{"lands": "ip4@public"}] * (MAX_EXITS + 1)},
    ],
)
def test_what_is_no_vantage_is_refused(data: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        Vantage.from_dict(data)


def test_nobody_is_dialled_back_through_a_proxy() -> None:
    assert HERE.dials_back == {Landing("ip6", "public")}


def test_a_vantage_may_have_as_much_as_is_allowed() -> None:
    data = {
        "exits": [{"lands": "ip4@public"}] * MAX_EXITS,
        "returns": ["public/ip4:192.0.2.9:1"] * MAX_RETURNS,
    }
    assert len(Vantage.from_dict(data).returns) == MAX_RETURNS
