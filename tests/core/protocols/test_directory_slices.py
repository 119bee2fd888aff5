"""A directory does long work in slices, and says the right thing between two of them."""

from __future__ import annotations

from itertools import count

import pytest

from glasnost.core.protocols import directory as module
from glasnost.core.protocols import queries
from glasnost.core.protocols.directory import Asked, Searching
from glasnost.core.protocols.writes import Answer
from glasnost.core.wire.messages import (
    Failed,
    Found,
    List,
    Listing,
    Party,
    Query,
    Renew,
    Withdraw,
    decode_record,
)
from tests.core.protocols.directory_records import name_of, record
from tests.core.protocols.test_directory import Settled, codes
from tests.core.routes.endpoints import KINDS


def full(number: int, *, kinds: bool = False) -> Settled:
    """With so many records, in the order of their names."""
    settled = Settled(kinds=KINDS if kinds else None)
    for start in range(0, number, 500):
        names = (f"s{n:05}.n{start}" for n in range(start, min(start + 500, number)))
        settled.publish(*(record(name, labels={"a": "b"}) for name in names), node=f"n{start}")
    return settled


# --- leases that end together ---------------------------------------------------------------------


def test_many_leases_that_end_at_once_end_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SWEEP", 200)
    settled = full(450)
    left = []
    while (at := settled.core.deadline()) is not None:
        assert at <= 60, "the rest is due at once"
        settled.tick(60)
        left.append(len(settled.stored))
    assert left == [250, 50, 0]
    assert len(settled.core.table) == settled.core.table.nodes == 0


def test_what_has_ended_is_seen_by_nobody_though_it_is_still_to_be_swept() -> None:
    settled = full(450)
    name = name_of("s00449.n0")
    assert isinstance(settled.lookup("s00449.n0", now=59.9), Found)
    assert isinstance(settled.lookup("s00449.n0", now=60), Failed)
    assert settled.ask(List(), now=60) == Listing()
    assert settled.ask(Query(selector=("a",)), now=60) == Listing()
    party = settled.ask(Query(reachable_to=Party(name=name)), now=60)
    assert isinstance(party, Failed) and party.code == "unknown-name"
    renewed = settled.ask(Renew(names=(name,)), node="n0", now=60)
    assert renewed.unknown == (name,)  # type: ignore[attr-defined]


def test_an_owner_that_comes_back_is_not_in_the_way_of_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("glasnost.core.protocols.directory.RECORDS_PER_NODE", 2)
    settled = Settled()
    settled.publish(record("a.n1", 5), record("b.n1", 5))
    again = settled.publish(record("a.n1", 1), record("c.n1", 1), now=60)
    assert codes(again) == ["", "quota"], "b.n1 was not swept yet, and counts"
    settled.tick(60)
    assert codes(settled.publish(record("c.n1", 1), now=60)) == [""]
    assert set(settled.stored) == {name_of("a.n1"), name_of("c.n1")}


def test_a_withdrawal_of_what_has_ended_is_done() -> None:
    settled = full(3)
    settled.ask(Withdraw(names=(name_of("s00001.n0"),)), node="n0", now=60)
    assert len(settled.stored) == 2


# --- searches -------------------------------------------------------------------------------------


def steps(settled: Settled, query: List, now: float = 1.0) -> tuple[int, Listing | Failed]:
    """How many further turns it took, and the answer."""
    (effect,) = settled.core.handle(Asked("peer", "", query), now)
    for number in count():
        if isinstance(effect, Answer):
            assert isinstance(effect.message, Listing | Failed)
            return number, effect.message
        assert isinstance(effect, Searching)
        (effect,) = settled.core.handle(effect, now)
    raise AssertionError


NOTHING = [
    # name                              query
    ("no such ending", List(glob="*x")),
    ("no such label", Query(selector=("!a",))),
    ("a label that is not equal", Query(selector=("a", "a!=b"))),
    ("nobody reaches a place without routes", Query(reachable_to=Party())),
]


@pytest.mark.parametrize("name, query", NOTHING, ids=[case[0] for case in NOTHING])
def test_a_question_that_fits_nothing_is_answered_in_slices(name: str, query: List) -> None:
    settled = full(2500, kinds=True)
    turns, answer = steps(settled, query)
    assert turns == 2500 // queries.STEP
    assert answer == Listing()


def test_a_question_that_fits_much_is_answered_at_once() -> None:
    turns, answer = steps(full(2500), Query(selector=("a",)))
    assert turns == 0
    assert isinstance(answer, Listing) and len(answer.records) == 100 and answer.more


def test_what_an_index_can_say_needs_no_search() -> None:
    settled = full(2500)
    settled.publish(record("rare.n1", labels={"rare": ""}))
    turns, answer = steps(settled, Query(selector=("a!=x", "rare")))
    assert turns == 0
    assert isinstance(answer, Listing) and len(answer.records) == 1 and not answer.more


def test_a_page_of_several_slices_is_the_page_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    settled = full(300)
    settled.publish(*(record(f"s{n:05}z.n1") for n in range(0, 300, 30)))
    query = Query(glob="*.n1.*", limit=7)
    at_once = steps(settled, query)
    monkeypatch.setattr(queries, "STEP", 11)
    in_slices = steps(settled, query)
    assert at_once[0] == 0 < in_slices[0]
    assert in_slices[1] == at_once[1]
    assert isinstance(at_once[1], Listing) and at_once[1].more


def test_computing_who_reaches_whom_counts_for_many_looks() -> None:
    settled = Settled(kinds=KINDS)
    # As many shapes as records: each reaches another network.
    records = [record(f"s{n:03}.n1", reach=(f"ip4@net{n}",)) for n in range(100)]
    settled.publish(*records)
    party = Party(vantage={"returns": ["public/ip4:192.0.2.1:9618"]})
    turns, answer = steps(settled, Query(reachable_to=party, limit=100))
    assert turns == 100 * queries.COMPUTING // queries.STEP
    assert answer == Listing()
    again, _ = steps(settled, Query(reachable_to=party, limit=100))
    assert again == 0, "it is remembered"


def test_what_comes_and_goes_between_two_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "STEP", 2)
    settled = Settled()
    settled.publish(*(record(f"{short}.n1") for short in ("a", "c", "e", "g")))
    (effect,) = settled.core.handle(Asked("peer", "", List()), 1)
    assert isinstance(effect, Searching)
    settled.publish(record("b.n1"), record("f.n1"), now=1)
    settled.ask(Withdraw(names=tuple(map(name_of, ("c.n1", "e.n1")))), now=1)
    while isinstance(effect, Searching):
        (effect,) = settled.core.handle(effect, 1)
    assert isinstance(effect, Answer) and isinstance(effect.message, Listing)
    found = [decode_record(one.payload).name.partition(".")[0] for one in effect.message.records]
    assert found == ["a", "c", "f", "g"]  # c was there when it was looked at


def test_a_party_that_goes_between_two_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "STEP", 1)
    settled = Settled(kinds=KINDS)
    settled.publish(record("a.n1"), record("b.n1"))
    query = Query(id=8, reachable_from=Party(name=name_of("b.n1")))
    (effect,) = settled.core.handle(Asked("peer", "", query), 1)
    assert isinstance(effect, Searching)
    settled.ask(Withdraw(names=(name_of("b.n1"),)), now=1)
    (effect,) = settled.core.handle(effect, 1)
    assert isinstance(effect, Answer) and isinstance(effect.message, Failed)
    assert (effect.message.id, effect.message.code) == (8, "unknown-name")
