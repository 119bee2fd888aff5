"""Whose turn it is: orders and counts."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from glasnost.core.protocols import effort
from glasnost.core.protocols.effort import cost
from glasnost.core.protocols.turns import Turns
from glasnost.core.wire.messages import List, Lookup, Message, Publish, Query, Renew, Signed


def served(turns: Turns[str], most: int = 1000) -> list[str]:
    items: list[str] = []
    while len(items) < most and (turn := turns.next()) is not None:
        items.append(turn[1])
    return items


def test_one_question_overtakes_another_members_thousand() -> None:
    turns = Turns[str]()
    for _ in range(1000):
        turns.add("flood", 10, "again")
    assert served(turns, 5) == ["again"] * 5
    turns.add("other", 10, "please")
    assert "please" in served(turns, 2)


def test_each_member_is_served_in_its_own_order() -> None:
    turns = Turns[str]()
    for member in "ab":
        for number in range(3):
            turns.add(member, 1, f"{member}{number}")
    order = served(turns)
    assert [item for item in order if item[0] == "a"] == ["a0", "a1", "a2"]
    assert [item for item in order if item[0] == "b"] == ["b0", "b1", "b2"]


def test_shares_are_of_cost_and_not_of_questions() -> None:
    turns = Turns[str]()
    for _ in range(100):
        turns.add("large", 100, "large")
    for _ in range(10_000):
        turns.add("small", 1, "small")
    counts = Counter(served(turns, 1010))
    assert counts == {"large": 10, "small": 1000}


def test_who_was_away_has_saved_nothing_up() -> None:
    turns = Turns[str]()
    for _ in range(100):
        turns.add("steady", 10, "steady")
    served(turns, 50)
    for _ in range(50):
        turns.add("late", 10, "late")
    assert Counter(served(turns, 20)) == {"steady": 10, "late": 10}


def test_who_asks_one_after_the_other_pays_for_each() -> None:
    """A member whose line is empty whenever it is served is no newcomer each time."""
    turns = Turns[str]()
    for _ in range(100):
        turns.add("steady", 10, "steady")
    turns.add("large", 100, "large")
    order: list[str] = []
    while len(order) < 44:
        (item,) = served(turns, 1)
        order.append(item)
        if item == "large":
            turns.add("large", 100, "large")
    assert Counter(order) == {"steady": 40, "large": 4}


def test_what_waits_is_counted_by_member_and_nothing_is_remembered_of_who_is_done() -> None:
    turns = Turns[str]()
    assert not turns
    turns.add("a", 3, "x")
    turns.add("a", 4, "y")
    turns.add("b", 5, "z")
    assert turns
    assert [turns.waiting(member) for member in "abc"] == [7, 5, 0]
    assert turns.next() == (3, "x")
    assert turns.waiting("a") == 4
    served(turns)
    assert not turns
    assert turns._lines == {}


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 50)), max_size=60))
def test_everything_is_served_once_and_nobody_falls_behind_by_more_than_two_items(
    asked: list[tuple[str, int]],
) -> None:
    turns = Turns[int]()
    for number, (member, amount) in enumerate(asked):
        turns.add(member, amount, number)
    left = Counter(member for member, _ in asked)
    given: Counter[str] = Counter()
    order = []
    while (turn := turns.next()) is not None:
        amount, number = turn
        member = asked[number][0]
        order.append(number)
        given[member] += amount
        left[member] -= 1
        behind = [given[other] for other in left if left[other]]
        assert all(given[member] - other <= 50 for other in behind)
    assert sorted(order) == list(range(len(asked)))


def test_what_makes_more_work_costs_more() -> None:
    one, many = (Signed(b"", b"", b""),), (Signed(b"", b"", b""),) * 100
    dearer: list[tuple[Message, Message]] = [
        (Lookup(name="a"), Publish(records=one)),
        (Publish(records=one), Publish(records=many)),
        (Renew(names=("a",)), Renew(names=("a",) * 1000)),
        (Renew(names=("a",) * 100), Publish(records=many)),
        (Lookup(name="a"), List()),
        (Lookup(name="a"), Lookup(name="a" * 100_000)),
        (List(), Query(glob="a" * 100_000)),
    ]
    for less, more in dearer:
        assert 0 < cost(less) < cost(more)
    assert cost(Publish(records=many)) < effort.MOST / 5, "one question is far from a flood"
