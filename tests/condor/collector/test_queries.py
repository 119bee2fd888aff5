"""What a query finds, and what of it is told to whom."""

import pytest

from glasnost.condor.classad import Ad, Expression
from glasnost.condor.collector import Channel, Collector
from glasnost.condor.judge import evaluate
from glasnost.errors import Refused
from tests.condor.collector.helpers import (
    QUERY_SCHEDD,
    QUERY_SLOT,
    SCHEDD,
    SLOT,
    ads_in,
    names,
    query,
    schedd,
    slot,
)

#: A peer of 9.9.0 or later.
MODERN = Channel(encrypted=True, knows_private=True)
SECRETS = {"ClaimId": "c#1", "_condor_privX": "p#1"}


@pytest.fixture
def pool() -> Collector:
    """A schedd, two slots of a startd with their private ads, and something generic."""
    collector = Collector()
    collector.update(SCHEDD, schedd("s1@h", **SECRETS), 0)
    collector.update(SLOT, Ad({"MyType": "StartD", "Name": "h"}), 0)
    for name, cpus in (("slot1@h", 1), ("slot2@h", 8)):
        private = Ad({"ClaimId": f"claim of {name}"})  # startds say no more of whose it is
        collector.update(
            SLOT, slot(name, Cpus=cpus, MyAddress="<10.0.0.1:9618>"), 0, private=private
        )
    collector.update(58, Ad({"MyType": "Defrag", "Name": "d"}), 0)
    return collector


FINDS = [
    # command, query, names
    (QUERY_SLOT, query(), ["slot1@h", "slot2@h"]),
    (QUERY_SLOT, query(TargetType="StartD"), ["h"]),
    (QUERY_SLOT, query('((Name == "SLOT2@h"))'), ["slot2@h"]),
    (QUERY_SLOT, query('my . name == "slot2@h"'), ["slot2@h"]),
    (QUERY_SLOT, query('Name =?= "SLOT2@h"'), []),
    (QUERY_SLOT, query('( Name =?= "slot2@h" )'), ["slot2@h"]),
    (QUERY_SLOT, query("TRUE", LimitResults=1), ["slot1@h"]),
    (QUERY_SLOT, query('Name == "h"', LocationQuery="h"), ["h"]),
    (QUERY_SLOT, query('Name == "slot1@h"', LocationQuery="slot1@h"), ["slot1@h"]),
    (48, query(), ["slot1@h", "slot2@h", "h", "s1@h", "d"]),
    (48, query('Name == "d"'), ["d"]),
    (53, query(TargetType="Machine, Scheduler"), ["slot1@h", "slot2@h", "s1@h"]),
    (53, query(TargetType="Machine\nDefrag", MachineLimitResults=1), ["slot1@h", "d"]),
    (53, query('Name == "s1@h"', TargetType="Machine,Scheduler"), ["s1@h"]),
    (53, query(TargetType="Nobody"), []),
    (74, query(TargetType="DEFRAG"), ["d"]),
    (74, query(TargetType="Machine"), []),
    (7, query(), []),
]


@pytest.mark.parametrize("command, asked, expected", FINDS)
def test_what_a_query_finds_needs_no_evaluation(
    pool: Collector, command: int, asked: Ad, expected: list[str]
) -> None:
    assert names(pool, command, asked) == expected


EVALUATED = [
    ("Cpus > 4", ["slot2@h"]),
    ('Name == "slot1@h" || Name == "slot2@h"', ["slot1@h", "slot2@h"]),
    ('Name == "slot1@h" && Cpus > 4', []),
    ('(Name == "slot1@h") || (Cpus == 8)', ["slot1@h", "slot2@h"]),
    ('Name == "slot" + "1@h"', []),  # == binds weaker than +, and "slot" + "1@h" is an error
    ('"slot1@h" == Name', ["slot1@h"]),
    ('eval("Cp" + "us") > 4', []),
    ('eval(strcat("Cp", "us")) > 4', ["slot2@h"]),
    ("Disk > 1", []),
]


@pytest.mark.parametrize("requirements, expected", EVALUATED)
def test_other_requirements_are_for_who_knows_the_language(
    pool: Collector, requirements: str, expected: list[str]
) -> None:
    answer = pool.query(QUERY_SLOT, query(requirements))
    assert answer.work
    found = ads_in(answer, judge=lambda work: evaluate(work.expression, work.rows))
    assert [ad["Name"] for ad in found] == expected


def test_a_locate_looks_at_the_slots_when_no_daemon_is_found() -> None:
    collector = Collector()
    collector.update(SLOT, slot("h"), 0)
    asked = query('Machine == "m"', LocationQuery="h")
    answer = collector.query(QUERY_SLOT, asked)
    (found,) = ads_in(answer, judge=lambda work: evaluate(work.expression, work.rows))
    assert found["MyType"] == "Machine"


def test_ads_that_look_alike_are_evaluated_once(pool: Collector) -> None:
    for number in range(100):
        pool.update(SLOT, slot(f"slot{number}@g", Cpus=number % 3, Load=Expression("Cpus / 2")), 0)
    (work,) = pool.query(QUERY_SLOT, query("Load > 1 && Cpus < 9")).work
    assert sorted(work.rows) == [
        b"Cpus = 1",  # of the first slots, which have no Load
        b"Cpus = 8",
        *(b"Load = Cpus / 2\0Cpus = %d" % cpus for cpus in range(3)),
    ]
    (work,) = pool.query(QUERY_SLOT, query("random(10) > 1")).work
    assert len(work.rows) == 102


def test_private_attributes_are_told_to_the_trusted_only(pool: Collector) -> None:
    for asked in (query(), query(SendPrivateAttributes=True), query(Projection="Name ClaimId")):
        (ad,) = ads_in(pool.query(QUERY_SCHEDD, asked), MODERN)
        assert not SECRETS.keys() & set(ad)
    (ad,) = ads_in(pool.query(QUERY_SCHEDD, query(), trusted=True), MODERN)
    assert "ClaimId" not in ad  # who does not ask is told none
    asked = query(SendPrivateAttributes=True)
    (ad,) = ads_in(pool.query(QUERY_SCHEDD, asked, trusted=True), MODERN)
    assert {name: ad[name] for name in SECRETS} == SECRETS


def test_nobody_finds_a_secret_out_by_asking(pool: Collector) -> None:
    pool.update(SCHEDD, schedd("s1@h", Leak=Expression("ClaimId"), **SECRETS), 0)
    for requirements in ('ClaimId == "c#1"', 'Leak == "c#1"', 'eval("ClaimId") == "c#1"'):
        answer = pool.query(QUERY_SCHEDD, query(requirements))
        assert b"c#1" not in b"".join(answer.work[0].rows)
        assert not ads_in(answer, judge=lambda work: evaluate(work.expression, work.rows))
    (ad,) = ads_in(pool.query(QUERY_SCHEDD, query(Projection="Leak")))
    assert list(ad) == ["Leak"]


def test_an_old_peer_gets_markers_and_no_names_that_it_does_not_know(pool: Collector) -> None:
    asked = query(SendPrivateAttributes=True)
    answer = pool.query(QUERY_SCHEDD, asked, trusted=True)
    data = b"".join(answer.pieces(Channel()))
    assert b'\0ZKM\0ClaimId = "c#1"\0' in data
    assert b"_condor_priv" not in data
    (ad,) = ads_in(answer)
    assert data[8:16] == len(ad).to_bytes(8, "big")  # a marker and its line count as one
    assert b"ZKM" not in b"".join(answer.pieces(MODERN))


@pytest.mark.parametrize("command, target", [(10, "Machine"), (54, "MachinePrivate")])
def test_private_ads_are_a_table_of_their_own(pool: Collector, command: int, target: str) -> None:
    asked = query('Name == "slot2@h"', TargetType=target)
    (ad,) = ads_in(pool.query(command, asked, trusted=True), MODERN)
    assert dict(ad) == {
        "Name": "slot2@h",
        "MyAddress": "<10.0.0.1:9618>",
        "ClaimId": "claim of slot2@h",
        "LastHeardFrom": 0,
    }
    with pytest.raises(Refused, match="negotiators and administrators"):
        pool.query(command, asked)
    answer = pool.query(command, query("true", TargetType=target), trusted=True)
    assert len(ads_in(answer, MODERN)) == 2
    by_claim = query('ClaimId == "claim of slot1@h"', TargetType=target)
    answer = pool.query(command, by_claim, trusted=True)
    (ad,) = ads_in(answer, MODERN, lambda work: evaluate(work.expression, work.rows))
    assert ad["Name"] == "slot1@h"


REFUSED = [
    (9999, query(), "knows no query 9999"),
    (74, query(), "names no table"),
    (53, query(TargetType="MachinePrivate"), "another command"),
    (5, query("x" * 70_000), "more than 65536 characters"),
    (5, query(Projection=" ".join(map(str, range(2001)))), "more than 2000 attributes"),
]


@pytest.mark.parametrize("command, asked, sentence", REFUSED, ids=[case[2] for case in REFUSED])
def test_what_is_no_query_is_refused(
    pool: Collector, command: int, asked: Ad, sentence: str
) -> None:
    with pytest.raises(Refused, match=sentence):
        pool.query(command, asked)


def test_names_come_back_as_they_were_asked_for(pool: Collector) -> None:
    for channel in (Channel(), MODERN):
        answer = pool.query(QUERY_SLOT, query('Name == "slot2@h"', Projection="cPUS,NAME, Disk"))
        (ad,) = ads_in(answer, channel)
        assert ad.lines() == [b"cPUS = 8", b'NAME = "slot2@h"']


def test_an_answer_is_as_the_tables_were_when_it_was_asked_for(pool: Collector) -> None:
    answer = pool.query(QUERY_SLOT, query())
    pool.remove(pool.invalidate(13, query(Name="slot1@h")))
    pool.update(SLOT, slot("slot2@h", Cpus=99), 1)
    assert [ad["Cpus"] for ad in ads_in(answer)] == [1, 8]


def test_a_long_answer_comes_in_pieces(pool: Collector) -> None:
    for number in range(100):
        pool.update(SLOT, slot(f"slot{number}@g", Fill="x" * 10_000), 0)
    pieces = list(pool.query(QUERY_SLOT, query()).pieces(MODERN))
    assert len(pieces) == 4
    assert max(map(len, pieces)) < 300_000
