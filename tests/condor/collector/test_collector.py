"""What a collector keeps, for how long, under which key, and what it puts in."""

import pytest

from glasnost.condor.classad import Ad, Expression, Value
from glasnost.condor.collector import Channel, Collector, CollectorLimits, Sender
from glasnost.condor.judge import evaluate, parses
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

KEYS = [
    # command, ad, another that replaces it, another that stands beside it
    (0, {"Name": "a"}, {"Name": "a", "Machine": "x"}, {"Name": "A"}),
    (
        0,
        {"Machine": "m", "SlotID": 1},
        {"Machine": "m", "SlotID": 1},
        {"Machine": "m", "SlotID": 2},
    ),
    (
        1,
        {"Name": "a", "MyAddress": "<1>"},
        {"Name": "a", "MyAddress": "<2>"},
        {"Name": "a", "MyAddress": "<1>", "ScheddName": "s"},
    ),
    (2, {"Machine": "m"}, {"Name": "m"}, {"Name": "n"}),
    (42, {"Name": "a", "MyAddress": "<1>"}, None, {"Name": "a", "MyAddress": "<2>"}),
    (
        70,
        {"HashName": "h", "Owner": "o", "ScheddName": "s"},
        {"HashName": "h", "Owner": "o", "ScheddIpAddr": "s"},
        {"HashName": "h", "Owner": "o", "ScheddName": "s", "GridmanagerSelectionValue": "g"},
    ),
    (77, {"Name": "a"}, None, {"Name": "a", "NegotiatorName": "n"}),
    (58, {"MyType": "X", "Name": "a"}, {"MyType": "x", "Name": "a"}, {"MyType": "Y", "Name": "a"}),
]


@pytest.mark.parametrize("command, first, same, other", KEYS)
def test_ads_replace_each_other_by_their_key(
    command: int, first: dict[str, str], same: dict[str, str] | None, other: dict[str, str]
) -> None:
    collector = Collector()
    for values in (first, same or first, other):
        assert collector.update(command, Ad(values), 0)
    assert sum(collector.counts().values()) == 2


@pytest.mark.parametrize(
    "command, values",
    [
        (0, {"MyType": "Machine"}),
        (0, {"Name": Expression("A")}),
        (1, {"Name": "a"}),
        (11, {"Name": "a", "MyAddress": 7}),
        (42, {"Name": "a"}),
        (58, {"MyType": "X"}),
    ],
)
def test_an_ad_without_a_key_is_dropped(command: int, values: dict[str, str]) -> None:
    collector = Collector()
    assert not collector.update(command, Ad(values), 0)
    assert collector.counts() == {}


def test_the_command_says_the_table_but_for_startds_and_generic_ads() -> None:
    collector = Collector()
    collector.update(SCHEDD, schedd("a").merged(Ad({"MyType": "Machine"})), 0)
    collector.update(SLOT, slot("b").merged(Ad({"MyType": "startd"})), 0)
    collector.update(58, Ad({"MyType": "Scheduler", "Name": "c"}), 0)
    assert repr(collector) == "<Collector: 1 StartD, 2 Scheduler>"
    assert names(collector, 74, query(TargetType="scheduler")) == ["c"]
    assert names(collector) == ["a"]


def test_the_collector_puts_in_when_and_by_whom_an_ad_came() -> None:
    collector = Collector()
    lying: dict[str, Value] = {
        "AuthenticatedIdentity": "root@pool",
        "lastheardfrom": 7,
        "UpdatesTotal": 99,
    }
    collector.update(SCHEDD, schedd("a", **lying), 1000.7)
    (ad,) = ads_in(collector.query(QUERY_SCHEDD, query()))
    assert ad["LastHeardFrom"] == 1000
    assert ad["AuthenticatedIdentity"] == "unauthenticated@unmapped"
    assert "AuthenticationMethod" not in ad
    assert ad["UpdatesTotal"] == 1
    collector.update(SCHEDD, schedd("a"), 1001, Sender("alice@pool", "IDTOKENS"))
    (ad,) = ads_in(collector.query(QUERY_SCHEDD, query()))
    assert (ad["AuthenticatedIdentity"], ad["AuthenticationMethod"]) == ("alice@pool", "IDTOKENS")


def test_lost_updates_are_counted() -> None:
    collector = Collector()
    for sequence in (1, 2, 5, 5):
        collector.update(SCHEDD, schedd("a", DaemonStartTime=9, UpdateSequenceNumber=sequence), 0)
    (ad,) = ads_in(collector.query(QUERY_SCHEDD, query()))
    told = {name: ad[name] for name in ("UpdatesTotal", "UpdatesSequenced", "UpdatesLost")}
    assert told == {"UpdatesTotal": 4, "UpdatesSequenced": 3, "UpdatesLost": 2}
    # The newest first: 5 again, 5, then 4 and 3, which are lost, then 2 and 1.
    assert ad["UpdatesHistory"] == "0x" + f"{0b001100 << 122:032x}"
    collector.update(SCHEDD, schedd("a", DaemonStartTime=10, UpdateSequenceNumber=50), 0)
    (ad,) = ads_in(collector.query(QUERY_SCHEDD, query()))
    assert (ad["UpdatesTotal"], ad["UpdatesLost"]) == (5, 2)


def test_a_merge_changes_an_ad_that_is_there_and_not_its_time() -> None:
    collector = Collector()
    assert not collector.update(73, slot("a", Cpus=1), 0)
    collector.update(SLOT, slot("a", Cpus=1, Disk=2), 0)
    assert collector.update(73, Ad({"Name": "a", "CPUS": 4, "LastHeardFrom": 9}), 500)
    (ad,) = ads_in(collector.query(QUERY_SLOT, query()))
    assert (ad["Cpus"], ad["Disk"], ad["LastHeardFrom"]) == (4, 2, 0)
    assert collector.deadline() == 900


def test_an_ad_is_gone_when_its_time_is_over() -> None:
    collector = Collector()
    assert collector.deadline() is None
    collector.update(SCHEDD, schedd("a"), 0)
    collector.update(SCHEDD, schedd("b", ClassAdLifetime=60), 10)
    assert collector.deadline() == 70
    collector.update(SCHEDD, schedd("b", ClassAdLifetime=60), 50)
    assert collector.tick(70) == 0
    assert collector.deadline() == 110
    assert collector.tick(110) == 1
    assert names(collector) == ["a"]
    assert (collector.deadline(), collector.tick(900), collector.deadline()) == (900, 1, None)
    assert (collector.counts(), collector.size) == ({}, 0)


def test_a_lifetime_has_a_longest() -> None:
    collector = Collector()
    collector.update(SCHEDD, schedd("a", ClassAdLifetime=2**62), 0)
    collector.update(SCHEDD, schedd("b", ClassAdLifetime=-5), 0)
    assert collector.tick(0) == 1
    assert collector.deadline() == 2_592_000


def test_updating_and_removing_all_day_takes_no_memory() -> None:
    collector = Collector()
    for now in range(2000):
        collector.update(SCHEDD, schedd("a", ClassAdLifetime=2000 - now), 0)
        if now % 2:
            collector.remove(collector.invalidate(14, schedd("a")))
    (table,) = [one for one in collector._tables if one.kind.name == "Scheduler"]
    assert len(table._times) < 200


def test_absent_slots_are_told_of_to_who_asks_for_them() -> None:
    collector = Collector(keep_absent=True)
    collector.update(SLOT, slot("a"), 0)
    collector.update(SCHEDD, schedd("s"), 0)
    collector.tick(900)
    assert collector.counts() == {"Machine": 1}
    assert names(collector, QUERY_SLOT) == []
    answer = collector.query(QUERY_SLOT, query("Absent =?= true"))
    (ad,) = ads_in(answer, judge=lambda work: evaluate(work.expression, work.rows))
    assert (ad["Absent"], ad["ClassAdLifetime"]) == (True, 2_592_000)
    collector.update(SLOT, slot("a"), 1000)
    assert names(collector, QUERY_SLOT) == ["a"]
    collector.tick(1900)
    assert (collector.tick(2_592_000 + 999), collector.tick(2_592_000 + 1000)) == (0, 1)


def test_without_being_told_to_it_keeps_no_absent_slots() -> None:
    collector = Collector()
    collector.update(SLOT, slot("a"), 0)
    collector.tick(900)
    assert collector.counts() == {}


def test_a_submitters_own_ad_comes_from_who_it_is_about() -> None:
    collector = Collector()
    ad = Ad({"MyType": "Submitter", "Name": "alice@pool", "MyAddress": "<1>"})
    for sender in (Sender(), Sender("bob@pool", "FS")):
        with pytest.raises(Refused, match="may not send the ad of alice"):
            collector.update(80, ad, 0, sender)
    assert collector.update(80, ad, 0, Sender("alice@pool", "FS"))


@pytest.mark.parametrize("is_expression", [parses, None])
@pytest.mark.parametrize("text", ["((", '"abc', "foo(", "B[1", "{ 1,2", "01", "1.", "/* x", "A +"])
def test_what_is_no_expression_would_spoil_every_answer(text: str, is_expression: object) -> None:
    """HTCondor's own clients give up an answer for one such line (found by trying)."""
    collector = Collector(is_expression=parses) if is_expression else Collector()
    with pytest.raises(Refused, match="says of 'A' is no expression"):
        collector.update(SCHEDD, schedd("a", A=Expression(text)), 0)
    with pytest.raises(Refused, match="says of 'A' is no expression"):
        collector.update(SLOT, slot("a"), 0, private=Ad({"A": Expression(text)}))
    assert collector.counts() == {}


LIMITS = [
    # limits, the update that is refused, sentence
    (CollectorLimits(ads=2), (SCHEDD, schedd("c")), "2 ads of Scheduler"),
    (CollectorLimits(total=12000), (SCHEDD, schedd("c", X="x" * 2000)), "12000 bytes of ads"),
    (CollectorLimits(ad=1000), (SCHEDD, schedd("c", X="x" * 1000)), "more than 1000 bytes"),
    (CollectorLimits(generic_tables=0), (58, Ad({"MyType": "X", "Name": "a"})), "0 generic tables"),
]


@pytest.mark.parametrize("limits, refused, sentence", LIMITS, ids=[case[2] for case in LIMITS])
def test_a_full_collector_keeps_what_it_has(
    limits: CollectorLimits, refused: tuple[int, Ad], sentence: str
) -> None:
    collector = Collector(limits)
    for name in ("a", "b"):
        collector.update(SCHEDD, schedd(name), 0)
    before = collector.size
    with pytest.raises(Refused, match=sentence):
        collector.update(*refused, 1)
    assert collector.size == before
    assert collector.update(SCHEDD, schedd("a"), 1)  # as before, so there is room


def test_empty_generic_tables_make_room() -> None:
    collector = Collector(CollectorLimits(generic_tables=1))
    collector.update(58, Ad({"MyType": "X", "Name": "a"}), 0)
    with pytest.raises(Refused, match="1 generic tables"):
        collector.update(58, Ad({"MyType": "Y", "Name": "a"}), 0)
    assert collector.remove(collector.invalidate(59, query(TargetType="X", Name="a"))) == 1
    assert collector.update(58, Ad({"MyType": "Y", "Name": "a"}), 0)


def test_the_memory_that_is_counted_is_that_which_is_taken() -> None:
    """All sums are back at nothing, whatever came in which order."""
    collector = Collector()
    for size in (1, 500, 3):
        for name in ("a", "b"):
            private = Ad({"Name": name, "ClaimId": "c" * size}) if size > 1 else None
            collector.update(SLOT, slot(name, X="x" * size), 0, private=private)
    assert collector.size > 2 * 1200
    for name in ("a", "b"):
        collector.remove(collector.invalidate(13, query(Name=name)))
    assert collector.size == 0


@pytest.mark.parametrize("command", [3, -1, 999999, 5])
def test_a_command_that_is_none_is_refused(command: int) -> None:
    collector = Collector()
    with pytest.raises(Refused, match="knows no update"):
        collector.update(command, slot("a"), 0)
    with pytest.raises(Refused, match="knows no invalidation"):
        collector.invalidate(command, query())


def test_channels_have_the_same_ads() -> None:
    collector = Collector()
    collector.update(SCHEDD, schedd("a", B=Expression("C + 1"), C=1), 0)
    for projection in ("", "Name B"):
        answer = collector.query(QUERY_SCHEDD, query(Projection=projection))
        assert ads_in(answer, Channel(True)) == ads_in(answer, Channel(False))
