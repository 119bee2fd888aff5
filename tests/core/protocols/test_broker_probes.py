"""Probes by arithmetic: who may ask, what is dialled, and how often."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glasnost.core.protocols.broker_probes import AT_A_TIME, PER_MEMBER, WINDOW, Dial, Probes
from glasnost.core.wire.messages import Failed, Probe, Probed

REPLY = b"r" * 16
LAB = (ip_network("198.51.100.0/24"),)

CASES = [
    # name                     observed                  port   what comes of it
    ("public, IPv4", "8.8.8.8:40001", 9618, Dial("8.8.8.8", 9618)),
    ("public, IPv6", "[2600::7]:40001", 443, Dial("2600::7", 443)),
    ("public by our settings", "198.51.100.7:40001", 9618, Dial("198.51.100.7", 9618)),
    ("private", "10.1.2.3:40001", 9618, "10.1.2.3 is not globally routable"),
    ("loopback", "127.0.0.1:40001", 9618, "127.0.0.1 is loopback"),
    ("link-local with a zone", "[fe80::1%eth0]:40001", 9618, "has a zone"),
    ("metadata", "169.254.169.254:80", 80, "link-local"),
    ("by a unix socket", "", 9618, "'' is no IP address"),
    ("no port", "8.8.8.8:40001", 0, "0 is no port"),
    ("a negative port", "8.8.8.8:40001", -1, "-1 is no port"),
    ("no such port", "8.8.8.8:40001", 65536, "65536 is no port"),
]


@pytest.mark.parametrize(
    ("observed", "port", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_only_the_askers_own_public_address_is_dialled(
    observed: str, port: int, expected: Dial | str
) -> None:
    found = Probes(LAB).wanted("node7", observed, Probe(5, port, REPLY), now=0)
    if isinstance(expected, Dial):
        assert found == expected
        return
    assert isinstance(found, (Failed, Probed)) and found.id == 5 and expected in found.why
    if isinstance(found, Probed):
        assert (found.outcome, found.observed) == ("not-dialled", observed)


@pytest.mark.parametrize("size", [0, 15, 17])
def test_what_is_sent_has_one_size(size: int) -> None:
    found = Probes(LAB).wanted("node7", "8.8.8.8:1", Probe(5, 9618, bytes(size)), now=0)
    assert found == Failed(5, "bad-request", f"a reply name has 16 bytes, not {size}")


def ask(probes: Probes, node: str, now: float) -> object:
    return probes.wanted(node, "8.8.8.8:1", Probe(5, 9618, REPLY), now)


def test_a_member_has_its_share_and_then_waits() -> None:
    probes = Probes()
    for number in range(PER_MEMBER):
        assert isinstance(ask(probes, "node7", now=number), Dial)
        probes.ended()
    refused = ask(probes, "node7", now=PER_MEMBER)
    assert isinstance(refused, Failed) and refused.code == "quota"
    assert isinstance(ask(probes, "node8", now=PER_MEMBER), Dial), "another's share is untouched"
    # The first of them, made at 0, counts until the window has passed over it.
    assert isinstance(ask(probes, "node7", now=WINDOW - 0.1), Failed)
    assert isinstance(ask(probes, "node7", now=WINDOW), Dial)
    assert isinstance(ask(probes, "node7", now=WINDOW), Failed)


def test_all_members_together_have_a_limit() -> None:
    probes = Probes()
    for number in range(AT_A_TIME):
        assert isinstance(ask(probes, f"node{number}", now=0), Dial)
    refused = ask(probes, "late", now=0)
    assert isinstance(refused, Failed) and refused.code == "busy"
    probes.ended()
    assert isinstance(ask(probes, "late", now=0), Dial)


def test_what_was_refused_counts_for_nothing() -> None:
    probes = Probes()
    for _ in range(PER_MEMBER * 2):
        probes.wanted("node7", "10.0.0.7:1", Probe(5, 9618, REPLY), now=0)
        probes.wanted("node7", "8.8.8.8:1", Probe(5, 0, REPLY), now=0)
    assert probes.counts == {"under_way": 0, "members": 0}
    assert isinstance(ask(probes, "node7", now=0), Dial)


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.floats(0, 20)), max_size=100))
def test_no_window_holds_more_than_a_share_and_nobody_is_remembered_longer(
    asked: list[tuple[str, float]],
) -> None:
    probes, now = Probes(), 0.0
    made: dict[str, list[float]] = {}
    for node, pause in asked:
        now += pause
        within = [at for at in made.get(node, ()) if at > now - WINDOW]
        found = ask(probes, node, now)
        assert isinstance(found, Dial) == (len(within) < PER_MEMBER)
        if isinstance(found, Dial):
            made.setdefault(node, []).append(now)
            probes.ended()
        recent = {node for node, times in made.items() if times[-1] > now - WINDOW}
        assert probes.counts == {"under_way": 0, "members": len(recent)}
