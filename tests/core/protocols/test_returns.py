"""Return routes of a request: what is dialled, and why the rest is not."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glasnost.core.protocols.returns import Return, choose

OWN = [ip_network("10.1.0.0/16"), ip_network("203.0.113.0/24")]


def test_routes_are_chosen_in_their_order() -> None:
    texts = (
        "public/ip4:203.0.113.9:9618",
        "lab/ip4:10.1.0.7:4711/service:desk",
        "public/ip6:[2a00::7]:9618",
    )
    assert choose(texts, OWN) == (
        [Return("203.0.113.9", 9618), Return("10.1.0.7", 4711, "desk"), Return("2a00::7", 9618)],
        [],
    )


ODD = [
    # name, text, what the sentence says
    ("a network we are not on", "office/ip4:10.2.0.7:1", "on no network with it"),
    ("ourselves", "lab/ip4:127.0.0.1:22", "loopback"),
    ("a name", "public/dns:cm.example.org:1", "must begin with an IP address"),
    ("a socket file", "host.1/unix:%2Frun%2Fx", "must begin with an IP address"),
    ("through a broker", "public/ip4:8.8.8.8:1/ccb:x", "may be one service"),
    ("two services", "public/ip4:8.8.8.8:1/service:a/service:b", "may be one service"),
    ("must be understood", "public/ip4:8.8.8.8:1:Key=1", "must begin with an IP address"),
    ("no route", "public/ip4:8.8.8.8", "not a route"),
    ("nothing", "", "not a route"),
    ("a terminal's nightmare", "\x1b[2J", "not a route"),
]


@pytest.mark.parametrize(("text", "says"), [case[1:] for case in ODD], ids=[c[0] for c in ODD])
def test_other_routes_are_refused_with_a_sentence(text: str, says: str) -> None:
    allowed, [why] = choose([text], OWN)
    assert allowed == []
    assert why.startswith("return route 1: ")
    assert says in why
    assert why.isprintable()


def test_only_sixteen_are_looked_at() -> None:
    allowed, refused = choose(["public/ip4:8.8.8.8:1"] * 15 + ["x"] * 50, OWN)
    assert (len(allowed), len(refused)) == (15, 1)


@given(st.text())
def test_any_text_is_judged(text: str) -> None:
    allowed, refused = choose([text], OWN)
    assert len(allowed) + len(refused) == 1
