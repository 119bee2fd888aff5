"""What others say of a host, and what is said of that; then any facts at all."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glasnost.core.doctor import Area, Facts, Severity, examine, incoming, outgoing, pool
from glasnost.core.doctor.facts import (
    Attempt,
    BrokersFacts,
    DirectoriesFacts,
    DirectoryFacts,
    Family,
    IncomingFacts,
    Registration,
    Seen,
)
from tests.core.doctor.table import Expected, check

ONE = DirectoryFacts("directory.a", seconds=0.0123, names=(("web.node7", 5),))
TWO = replace(ONE, name="directory.b")
AWAY = DirectoryFacts("directory.b", why="no route leads there")

DIRECTORIES: list[tuple[str, tuple[DirectoryFacts, ...], tuple[str, ...], list[Expected]]] = [
    (
        "it answers and knows us",
        (ONE,),
        ("web.node7",),
        [("ok", "directory.a answers in 12.3 ms, and knows this host's 1 name", "")],
    ),
    ("we serve nothing", (replace(ONE, names=()),), (), [("ok", "answers in 12.3 ms", "")]),
    ("we were told of none", (), (), [("problem", "told of no directory", "join again")]),
    (
        "the only one is away",
        (AWAY,),
        ("web.node7",),
        [("problem", "directory.b is not reached: no route", "nothing new is learnt")],
    ),
    (
        "one of two is away",
        (ONE, AWAY),
        ("web.node7",),
        [
            ("ok", "directory.a", ""),
            ("warning", "directory.b is not reached", "other directories serve"),
        ],
    ),
    (
        "one does not know all names",
        (ONE,),
        ("web.node7", "db.node7", "ssh.node7"),
        [("warning", "directory.a does not know db.node7 and 1 more", "agent's log")],
    ),
    (
        "two do not agree",
        (ONE, replace(TWO, names=(("web.node7", 4),))),
        ("web.node7",),
        [
            ("ok", "directory.a", ""),
            ("ok", "directory.b", ""),
            ("warning", "directory.b has an older record of web.node7", "renewal"),
        ],
    ),
]


def test_without_a_certificate_no_directory_is_blamed() -> None:
    facts = DirectoriesFacts((AWAY, replace(AWAY, name="directory.a")), certified=False)
    check(pool.judge_directories(facts), ("problem", "no certificate that holds", "above"))


@pytest.mark.parametrize(
    "directories, names, expected", [c[1:] for c in DIRECTORIES], ids=[c[0] for c in DIRECTORIES]
)
def test_directories(
    directories: tuple[DirectoryFacts, ...], names: tuple[str, ...], expected: list[Expected]
) -> None:
    check(pool.judge_directories(DirectoriesFacts(directories, names)), *expected)


HELD = Registration("broker.cm", "registered", 7300, observed="203.0.113.9:40001")
LOST = Registration("broker.b", "waiting", 3, 4, "connection refused")
BROKERS: list[tuple[str, BrokersFacts, bool, list[Expected]]] = [
    (
        "registered",
        BrokersFacts((HELD,), ("broker.cm",)),
        True,
        [("ok", "registered with broker.cm for 2 h, seen at 203.0.113.9:40001", "")],
    ),
    (
        "one of two",
        BrokersFacts((HELD, LOST), ("broker.b", "broker.cm")),
        True,
        [
            ("ok", "broker.cm", ""),
            (
                "warning",
                "broker.b (waiting after 4 failures): connection refused",
                "whether it runs",
            ),
        ],
    ),
    (
        "none of them",
        BrokersFacts((LOST,), ("broker.b",)),
        True,
        [("problem", "not registered with broker.b", "nobody is brought here")],
    ),
    (
        "on the way",
        BrokersFacts((replace(LOST, failures=0, why="", state="connecting"),), ("broker.b",)),
        True,
        [("warning", "not registered with broker.b (connecting)", "tries again")],
    ),
    (
        "not yet",
        BrokersFacts((), ("broker.b",), wanted=2),
        True,
        [("warning", "registered with none, and 1 broker of other hosts", "try again")],
    ),
    ("no agent that would", BrokersFacts((), ("broker.b",), wanted=2), False, []),
    ("not wanted", BrokersFacts((), ("broker.b",)), True, [("note", "broker_count is 0", "")]),
    ("our own", BrokersFacts((), own=True, wanted=2), True, [("note", "this host's own", "")]),
    (
        "there is none",
        BrokersFacts((), wanted=2),
        True,
        [("warning", "the pool has no broker", "glasnost broker")],
    ),
    ("nobody could be asked", BrokersFacts((), None, wanted=2), True, []),
]


@pytest.mark.parametrize(
    "facts, runs, expected", [c[1:] for c in BROKERS], ids=[c[0] for c in BROKERS]
)
def test_brokers(facts: BrokersFacts, runs: bool, expected: list[Expected]) -> None:
    check(pool.judge_brokers(facts, runs), *expected)


# --- outgoing -----------------------------------------------------------------------------------

SIX = Family(
    "ip6",
    addresses=("2001:db8::7",),
    default_route=True,
    source="2001:db8::7",
    attempts=(Attempt("broker.cm", "2001:db8::1", 9618, 0.0021),),
)
DROPPED = Attempt("broker.b", "2001:db8::2", 443, why="no answer after 8.0 s")
OUTGOING: list[tuple[str, Family, list[Expected]]] = [
    (
        "it works",
        SIX,
        [("ok", "IPv6 from 2001:db8::7 reaches broker.cm at [2001:db8::1]:9618 in 2.1 ms", "")],
    ),
    ("switched off", replace(SIX, enabled=False), [("note", "enable_ipv6 = false", "")]),
    ("no address", replace(SIX, addresses=()), [("note", "no IPv6", "")]),
    (
        "nobody to try",
        replace(SIX, attempts=()),
        [("note", "no directory or broker on another host is met over it", "")],
    ),
    (
        "no default route",
        replace(SIX, default_route=False),
        [("note", "IPv6 has no default route", ""), ("ok", "reaches broker.cm", "")],
    ),
    (
        "one is not reached",
        replace(SIX, attempts=(DROPPED, *SIX.attempts)),
        [
            (
                "warning",
                "does not reach broker.b at [2001:db8::2]:443: no answer",
                "TCP to port 443",
            ),
            ("ok", "reaches broker.cm", ""),
        ],
    ),
    (
        "none is reached",
        replace(SIX, attempts=(DROPPED,)),
        [("warning", "does not reach broker.b", "all of IPv6 may lead nowhere")],
    ),
    (
        "one refuses",
        replace(SIX, attempts=(replace(DROPPED, why="connection refused after 0.0 s"),)),
        [("warning", "connection refused", "nothing listens there")],
    ),
]


@pytest.mark.parametrize("facts, expected", [c[1:] for c in OUTGOING], ids=[c[0] for c in OUTGOING])
def test_outgoing(facts: Family, expected: list[Expected]) -> None:
    check(outgoing.judge(facts), *expected)


# --- incoming -----------------------------------------------------------------------------------

MET = Seen("broker.cm", "ip4", "203.0.113.7", 9618, "connected", arrived=True, seconds=0.003)
HERE = IncomingFacts(
    (MET,),
    own=("203.0.113.7",),
    published=(("203.0.113.7", 9618),),
    brokers=("broker.cm",),
    protocols=("ip4",),
    askable=1,
)
SILENT = replace(MET, outcome="timeout", arrived=False, why="no answer within 5 s")
NAT = replace(SILENT, host="198.51.100.1")
BEHIND = replace(HERE, seen=(NAT,), own=("192.168.1.7",), published=())
INCOMING: list[tuple[str, IncomingFacts, list[Expected]]] = [
    (
        "it is met",
        HERE,
        [("ok", "broker.cm reaches 203.0.113.7:9618 (this host's own address) in 3.0 ms", "")],
    ),
    (
        "two brokers see the same",
        replace(HERE, seen=(MET, replace(MET, broker="broker.b"))),
        [("ok", "broker.cm reaches", "")],
    ),
    (
        "two brokers see differently",
        replace(HERE, seen=(MET, replace(SILENT, broker="broker.b"))),
        [("ok", "broker.cm reaches", ""), ("warning", "broker.b does not reach", "open TCP port")],
    ),
    (
        "a firewall drops",
        replace(HERE, seen=(SILENT,)),
        [("warning", "does not reach 203.0.113.7:9618", "open TCP port 9618 inbound")],
    ),
    (
        "a firewall drops, and there is a broker",
        replace(HERE, seen=(SILENT,)),
        [("warning", "no answer within 5 s", "brought here by broker.cm as it is")],
    ),
    (
        "a firewall drops, and no broker helps",
        replace(HERE, seen=(SILENT,), brokers=()),
        [
            ("warning", "does not reach", "until then nobody outside can call"),
            ("problem", "nobody outside can call this host", "open the port"),
        ],
    ),
    (
        "it is refused",
        replace(HERE, seen=(replace(SILENT, outcome="refused", why="connection refused"),)),
        [("warning", "connection refused", "let the agent listen there")],
    ),
    (
        "behind a NAT, and that is all right",
        BEHIND,
        [("note", "198.51.100.1:9618 (not this host's own: a NAT)", "brought here by broker.cm")],
    ),
    (
        "behind a NAT, for direct connections",
        BEHIND,
        [("note", "does not reach", 'advertise = ["found", "198.51.100.1:9618"]')],
    ),
    (
        "a port is forwarded, and not published",
        replace(BEHIND, seen=(replace(MET, host="198.51.100.1"),)),
        [("note", "198.51.100.1:9618 (not this host's own: a NAT), which is not", "advertise")],
    ),
    (
        "a port is forwarded and published",
        replace(
            BEHIND,
            seen=(replace(MET, host="198.51.100.1"),),
            published=(("198.51.100.1", 9618),),
        ),
        [("ok", "broker.cm reaches 198.51.100.1:9618 (not this host's own: a NAT)", "")],
    ),
    (
        "the router itself answers",
        replace(BEHIND, seen=(replace(MET, host="198.51.100.1", arrived=False),)),
        [("warning", "something answers", "or leave it")],
    ),
    (
        "another address is published",
        replace(HERE, published=(("203.0.113.99", 9618),)),
        [
            ("note", "reaches this host at 203.0.113.7:9618", "advertise"),
            ("note", "203.0.113.99:9618 is published and was not tried", "see that it leads here"),
        ],
    ),
    (
        "the broker stands inside",
        replace(BEHIND, seen=(replace(NAT, host="192.168.1.7", outcome="not-dialled", why="no"),)),
        [("note", "sees this host at 192.168.1.7, and that says nothing of outside", "outside")],
    ),
    (
        "the broker would not",
        replace(HERE, seen=(Seen("broker.cm", "ip4", "", 9618, "not-asked", why="12 in 60 s"),)),
        [("note", "broker.cm could not look: 12 in 60 s", "")],
    ),
    ("nobody could be asked", replace(HERE, seen=()), [("note", "could be asked over it", "")]),
    (
        "there is no address at all",
        replace(HERE, seen=(), published=(), protocols=()),
        [("note", "no address that others could connect to", "")],
    ),
    (
        "nobody says whom to ask",
        replace(HERE, seen=(), askable=None),
        [("note", "no directory says which brokers there are", "")],
    ),
    (
        "there is nobody to ask",
        replace(HERE, seen=(), askable=0),
        [("note", "no broker on another host that could look", "")],
    ),
]


@pytest.mark.parametrize("facts, expected", [c[1:] for c in INCOMING], ids=[c[0] for c in INCOMING])
def test_incoming(facts: IncomingFacts, expected: list[Expected]) -> None:
    check(incoming.judge(facts, agent_runs=True), *expected)


@pytest.mark.parametrize("seen", [MET, SILENT], ids=["it is met", "a firewall drops"])
def test_where_no_agent_runs_only_the_address_is_seen(seen: Seen) -> None:
    facts = replace(HERE, seen=(seen, replace(seen, broker="broker.b")), brokers=())
    check(
        incoming.judge(facts, agent_runs=False),
        (
            "note",
            "broker.cm sees this host at 203.0.113.7 (this host's own address)",
            "when it runs",
        ),
    )


# --- any facts ----------------------------------------------------------------------------------


@given(st.from_type(Facts))
def test_any_facts_are_judged_in_order_and_what_is_wrong_says_what_to_do(facts: Facts) -> None:
    found = examine(facts)
    order = list(Area)
    places = [order.index(one.area) for one in found]
    assert places == sorted(places)
    for one in found:
        assert one.what
        if one.severity in (Severity.WARNING, Severity.PROBLEM):
            assert one.do, one
        if one.severity is Severity.OK:
            assert not one.do, one
