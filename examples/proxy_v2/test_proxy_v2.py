"""The stage by itself: what it says, and that it keeps the promises of every stage."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from glasnost_proxy_v2 import PROXY_V2, header

from glasnost.stages.base import Kind
from glasnost.testing.contracts import PROMISES, Talk, check_refuses, check_traits

START = "public/ip4:192.0.2.7:5432"
SIGNATURE = bytes.fromhex("0d0a0d0a000d0a515549540a")
#: Contracts cross over a local pair, which has no addresses.
TALKS = [
    Talk("nobody", f"{START}/proxy-v2", ((SIGNATURE + b"\x21\x00\x00\x00", b""),)),
    Talk(
        "a name is wanted",
        f"{START}/proxy-v2:db.example.org",
        ((SIGNATURE + b"\x21\x00\x00\x11\x02\x00\x0edb.example.org", b""),),
    ),
]
HEADERS = [
    # name, our address, theirs, the name wanted, what stands behind the signature
    ("IPv4", ("192.0.2.1", 80), ("192.0.2.2", 81), "", "2111000c c0000201 c0000202 0050 0051"),
    (
        "IPv6, one with a scope",
        ("fe80::1%eth0", 80, 0, 2),
        ("fe80::2", 81, 0, 2),
        "",
        f"21210024 fe80{'00' * 13}01 fe80{'00' * 13}02 0050 0051",
    ),
    (
        "with a name",
        ("192.0.2.1", 80),
        ("192.0.2.2", 81),
        "db",
        "21110011 c0000201 c0000202 0050 0051 02 0002 6462",
    ),
]


@pytest.mark.parametrize(
    ("ours", "theirs", "name", "said"), [c[1:] for c in HEADERS], ids=[c[0] for c in HEADERS]
)
def test_the_header(ours: object, theirs: object, name: str, said: str) -> None:
    assert header(ours, theirs, name) == SIGNATURE + bytes.fromhex(said)


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)
@pytest.mark.parametrize("talk", TALKS, ids=lambda talk: talk.name)
def test_what_every_stage_promises(talk: Talk, promise: Callable[[Kind, Talk], None]) -> None:
    promise(PROXY_V2, talk)


def test_planning_can_use_it() -> None:
    check_traits(PROXY_V2)


@pytest.mark.parametrize("stage", ["proxy-v2:a:b", f"proxy-v2:{'x' * 256}", "proxy-v2:"])
def test_what_it_refuses(stage: str) -> None:
    check_refuses(PROXY_V2, stage)
