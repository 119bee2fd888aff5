"""Which records fit a query: names, labels, who reaches whom, pages and ages."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glasnost.core.protocols.record_rules import MAX_PAGE
from glasnost.core.protocols.record_table import RecordTable, Verified
from glasnost.core.protocols.selector import parse_terms
from glasnost.core.routes import Endpoint, Verdict, can_reach
from glasnost.core.wire.messages import (
    Failed,
    Listing,
    Message,
    Party,
    Query,
    Record,
    Renew,
    Signed,
    Withdraw,
    decode_record,
    encode_record,
)
from tests.core.protocols.directory_records import DOMAIN, name_of, record
from tests.core.protocols.test_directory import Settled
from tests.core.routes.endpoints import ENDPOINTS, KINDS

V4, V6 = "public/ip4:192.0.2.1:9618", "public/ip6:[2001:db8::1]:9618"
BROKER = "public/ip4:192.0.2.9:9618/service:broker/ccb:n"


def directory() -> Settled:
    return Settled(kinds=KINDS)


def filled() -> Settled:
    """An IPv4-only submitter, and workers on either protocol and behind a broker."""
    settled = directory()
    settled.publish(
        record("schedd.n1", address=V4, reach=("ip4@public",), labels={"role": "schedd"}),
        record("a.n1", address=V4, reach=("ip4@public",), labels={"role": "startd", "arch": "arm"}),
        record("b.n1", address=V6, reach=("ip6@public",), labels={"role": "startd", "arch": "x86"}),
        record("c.n1", address=BROKER, reach=("ip4@public",), labels={"role": "startd"}),
        record("d.n1", address=V6, labels={"role": "startd"}),
    )
    return settled


def names(message: Message) -> list[str]:
    assert isinstance(message, Listing)
    return [
        decode_record(signed.payload).name.removesuffix(f".{DOMAIN}") for signed in message.records
    ]


def short(settled: Settled, query: Query) -> list[str]:
    return [one.partition(".")[0] for one in names(settled.ask(query))]


SELECTORS = [
    ("everything", (), ["a", "b", "c", "d", "schedd"]),
    ("a value", ("role=schedd",), ["schedd"]),
    ("another value, or none", ("arch!=arm",), ["b", "c", "d", "schedd"]),
    ("a key", ("arch",), ["a", "b"]),
    ("no such key", ("!arch",), ["c", "d", "schedd"]),
    ("several terms", ("role=startd", "arch", "arch!=x86"), ["a"]),
    ("a value that nobody has", ("role=negotiator",), []),
    ("a key that nobody has", ("gpu", "role=startd"), []),
    ("an empty value", ("role=",), []),
]


@pytest.mark.parametrize("name, terms, found", SELECTORS, ids=[case[0] for case in SELECTORS])
def test_labels_choose(name: str, terms: tuple[str, ...], found: list[str]) -> None:
    assert short(filled(), Query(selector=terms)) == found


FROM_SCHEDD = Party(name=name_of("schedd.n1"))
HERE = Party(vantage={"exits": [{"lands": "ip6@public"}], "returns": [V6]})
REACHABLE = [
    ("from a record", Query(reachable_from=FROM_SCHEDD), ["a", "c", "schedd"]),
    ("to a record", Query(reachable_to=FROM_SCHEDD), ["a", "c", "d", "schedd"]),
    ("from a vantage", Query(reachable_from=HERE), ["b", "d"]),
    ("to a vantage", Query(reachable_to=HERE), ["b", "d"]),
    (
        "both ways",
        Query(reachable_from=FROM_SCHEDD, reachable_to=FROM_SCHEDD),
        ["a", "c", "schedd"],
    ),
    (
        "everything labelled that can talk with me",
        Query(selector=("role=startd",), reachable_from=FROM_SCHEDD, reachable_to=FROM_SCHEDD),
        ["a", "c"],
    ),
    ("by name, too", Query(glob="c.*", reachable_from=FROM_SCHEDD), ["c"]),
    ("from nowhere", Query(reachable_from=Party()), []),
]


@pytest.mark.parametrize("name, query, found", REACHABLE, ids=[case[0] for case in REACHABLE])
def test_reachability_chooses(name: str, query: Query, found: list[str]) -> None:
    assert short(filled(), query) == found


def test_services_of_one_machine_reach_each_other() -> None:
    settled = directory()
    for service, host in (("a.n1", "x"), ("b.n1", "x"), ("c.n1", "y")):
        door = f"host.{host}/unix:%2Frun%2Fport/service:{service[0]}"
        settled.publish(record(service, address=door, reach=()))
    assert short(settled, Query(reachable_from=Party(name=name_of("a.n1")))) == ["a", "b"]
    assert short(settled, Query(reachable_to=Party(name=name_of("c.n1")))) == ["c"]


def test_pages_follow_each_other_and_know_ages() -> None:
    settled = directory()
    for number in range(5):
        labels = {"role": "startd" if number != 2 else "other"}
        settled.publish(record(f"s{number}.n1", labels=labels), now=100 + number)
    query = Query(id=9, selector=("role=startd",), limit=2)
    first = settled.ask(query, now=110)
    assert isinstance(first, Listing)
    assert (first.id, names(first), first.ages, first.more) == (
        9,
        ["s0.n1", "s1.n1"],
        (10, 9),
        True,
    )
    after = name_of("s1.n1")
    second = settled.ask(Query(selector=("role=startd",), after=after, limit=2), now=110)
    assert isinstance(second, Listing)
    assert (names(second), second.ages, second.more) == (["s3.n1", "s4.n1"], (7, 6), False)


def test_a_page_is_never_longer_than_allowed() -> None:
    settled = directory()
    settled.publish(*(record(f"s{number:03}.n1", labels={"a": ""}) for number in range(150)))
    page = settled.ask(Query(selector=("a",), limit=10_000))
    assert isinstance(page, Listing)
    assert len(page.records) == MAX_PAGE and page.more


def test_labels_change_with_their_record_and_go_with_it() -> None:
    settled = directory()
    settled.publish(record("a.n1", 1, labels={"role": "x"}), now=0)
    settled.publish(record("a.n1", 2, labels={"role": "y"}), now=1)
    settled.ask(Renew(names=(name_of("a.n1"),)), now=50)
    assert short(settled, Query(selector=("role=x",))) == []
    assert names(settled.ask(Query(selector=("role=y",)), now=60)) == ["a.n1"]
    settled.ask(Withdraw(names=(name_of("a.n1"),)), now=61)
    assert names(settled.ask(Query(selector=("role",)), now=62)) == []
    settled.publish(record("a.n1", 3, labels={"role": "z"}), now=70)
    settled.tick(now=130)
    assert len(settled.core.table.labels) == 0


REFUSED = [
    ("a term that is none", Query(id=3, selector=("=x",)), "bad-query", "none of key=value"),
    ("too many terms", Query(id=3, selector=("a",) * 33), "bad-query", "at most 32 terms"),
    ("a very long term", Query(id=3, selector=("a" * 999,)), "bad-query", "at most 130 char"),
    ("an odd vantage", Query(id=3, reachable_to=Party(vantage={"exits": 7})), "bad-query", "exits"),
    ("an unknown name", Query(id=3, reachable_from=Party("x.n1")), "unknown-name", "'x.n1'"),
    ("a very long glob", Query(id=3, glob="a" * 999), "too-large", "a glob has at most 253"),
]


@pytest.mark.parametrize("name, query, code, why", REFUSED, ids=[case[0] for case in REFUSED])
def test_what_cannot_be_asked_is_refused(name: str, query: Query, code: str, why: str) -> None:
    answer = directory().ask(query)
    assert isinstance(answer, Failed)
    assert (answer.id, answer.code) == (3, code)
    assert why in answer.why


def as_record(number: int, endpoint: Endpoint, labels: dict[str, str]) -> Verified:
    kept = Record(
        name_of(f"s{number}.n1"),
        ",".join(map(str, endpoint.routes)),
        None if endpoint.reach is None else tuple(map(str, endpoint.reach)),
        labels,
        relay="any" if endpoint.relay else "no",
    )
    return Verified(kept, Signed(encode_record(kept), b"proof", b"certificate"))


LABELS = st.dictionaries(st.sampled_from("ab"), st.sampled_from("xy"))
TERMS = st.lists(st.sampled_from(["a", "!a", "a=x", "a!=x", "b=y", "!b"]), max_size=3).map(tuple)


@given(st.lists(st.tuples(ENDPOINTS.filter(lambda one: one.routes), LABELS), max_size=5), TERMS)
@settings(max_examples=100)
def test_a_query_finds_what_asking_each_record_finds(
    pool: list[tuple[Endpoint, dict[str, str]]], terms: tuple[str, ...]
) -> None:
    settled = directory()
    table: RecordTable = settled.core.table
    for number, (endpoint, labels) in enumerate(pool):
        table.keep(as_record(number, endpoint, labels), 0, 1000)
    for number, (party, _) in enumerate(pool):
        name = Party(name=name_of(f"s{number}.n1"))
        for query, pairs in (
            (Query(reachable_from=name), [(party, one) for one, _ in pool]),
            (Query(reachable_to=name), [(one, party) for one, _ in pool]),
        ):
            answer = settled.ask(msgspec.structs.replace(query, selector=terms))
            expected = [
                f"s{number}.n1"
                for number, pair in enumerate(pairs)
                if all(term.holds(pool[number][1]) for term in parse_terms(terms))
                and can_reach(*pair, kinds=KINDS) is not Verdict.NO
            ]
            assert names(answer) == expected
