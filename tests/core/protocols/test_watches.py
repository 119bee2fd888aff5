"""Who watches a directory: what it is told, when, and how it goes on after it was away."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glasnost.core.protocols import changes, watches
from glasnost.core.protocols.directory import Asked, Directory, Effect, Left, Offered
from glasnost.core.protocols.record_rules import LEASE
from glasnost.core.protocols.record_table import Verified
from glasnost.core.protocols.watches import GATHER, HOLD, WATCHES_PER_MEMBER, Watched
from glasnost.core.protocols.writes import Answer, Write, Written
from glasnost.core.wire.messages import Changes, Failed, Message, Watch, Withdraw, decode_record
from tests.core.protocols.directory_records import DOMAIN, name_of, record


class Scene:
    """A directory whose store works at once; only answers to watchers are noted."""

    def __init__(self) -> None:
        self.core = Directory(DOMAIN, log="one")

    def publish(self, *records: Verified, now: float = 0.0) -> list[Message]:
        nodes = {each.record.name.split(".")[1] for each in records}
        [node] = nodes
        return self.settle(self.core.handle(Offered("owner", node, 1, records), now), now)

    def withdraw(self, short: str, now: float = 0.0) -> list[Message]:
        question = Withdraw(names=(name_of(short),))
        asked = Asked("owner", short.partition(".")[2], question)
        return self.settle(self.core.handle(asked, now), now)

    def watch(
        self, seen: int, now: float = 0.0, *, peer: str = "w", member: str = "n9", **fields: Any
    ) -> list[Message]:
        all_fields: dict[str, Any] = {"log": "one", "hold": HOLD} | fields
        question = Watch(seen=seen, **all_fields)
        return self.settle(self.core.handle(Watched(peer, member, question), now), now)

    def tick(self, now: float) -> list[Message]:
        return self.settle(self.core.tick(now), now)

    def settle(self, effects: list[Effect], now: float) -> list[Message]:
        told: list[Message] = []
        for effect in effects:
            match effect:
                case Write():
                    told += self.settle(self.core.handle(Written(), now), now)
                case Answer("owner", _):
                    pass
                case Answer(_, message):
                    told.append(message)
        return told


def told(message: Message) -> tuple[int, list[str], dict[str, str]]:
    """How far the answer goes; the names that are there, and those that are not any more."""
    assert isinstance(message, Changes) and message.log == "one", message
    records = [decode_record(signed.payload) for signed in message.records]
    assert len(message.ages) == len(records)
    short = {name.removesuffix(f".{DOMAIN}"): why for name, why in message.gone.items()}
    return message.seen, [one.name.removesuffix(f".{DOMAIN}") for one in records], short


def refused(messages: list[Message], code: str) -> None:
    [message] = messages
    assert isinstance(message, Failed) and message.code == code, message


def test_who_begins_is_told_where_the_log_stands() -> None:
    scene = Scene()
    scene.publish(record("a.n1"), record("b.n1"))
    [answer] = scene.watch(0, log="", hold=0)
    assert told(answer) == (2, [], {})


def test_what_changes_together_is_told_together_and_only_its_end() -> None:
    scene = Scene()
    assert scene.watch(0, 10) == []
    scene.publish(record("a.n1", 1), record("b.n1", 1), now=10)
    assert scene.core.deadline() == 10 + GATHER
    scene.publish(record("a.n1", 2, labels={"v": "2"}), now=10.05)
    scene.publish(record("c.n1", 1), now=10.05)
    scene.withdraw("c.n1", now=10.06)
    [answer] = scene.tick(10 + GATHER)
    assert told(answer) == (5, ["a.n1", "b.n1"], {})
    assert isinstance(answer, Changes)
    assert decode_record(answer.records[0].payload).labels == {"v": "2"}
    assert len(scene.core.watches) == 0


def test_a_renewal_is_no_change() -> None:
    scene = Scene()
    scene.publish(record("a.n1"))
    assert scene.watch(1, 1) == []
    scene.publish(record("a.n1"), now=2)
    assert scene.core.deadline() == 1 + HOLD and len(scene.core.watches) == 1


def test_what_is_gone_says_why() -> None:
    scene = Scene()
    scene.publish(record("a.n1"), record("b.n1"))
    assert scene.watch(2, 1) == []
    scene.withdraw("b.n1", now=2)
    [answer] = scene.tick(2 + GATHER)
    assert told(answer) == (3, [], {"b.n1": "withdrawn"})
    held = LEASE - HOLD / 2
    assert scene.watch(3, held) == []
    assert scene.tick(LEASE) == []
    [answer] = scene.tick(LEASE + GATHER)
    assert told(answer) == (4, [], {"a.n1": "expired"})


def test_a_question_is_answered_when_it_was_held_for_long_enough() -> None:
    """With nothing; and its asker knows how far it has seen what does not concern it."""
    scene = Scene()
    assert scene.watch(0, 1, glob="a.*", hold=5) == []
    scene.publish(record("b.n1"), now=2)
    assert scene.tick(2 + GATHER) == []
    assert scene.tick(5.9) == []
    [answer] = scene.tick(6)
    assert told(answer) == (1, [], {})
    assert scene.watch(1, 7, hold=9999) == [] and scene.core.deadline() == 7 + HOLD
    for hold in (0.0, -1.0, math.nan):
        [answer] = scene.watch(1, 7, hold=hold)
        assert told(answer) == (1, [], {})


def test_only_names_and_labels_that_fit() -> None:
    scene = Scene()
    role: dict[str, Any] = {"selector": ("role=db",), "glob": "*.n1.*"}
    assert scene.watch(0, 1, **role) == []
    scene.publish(record("a.n1", labels={"role": "db"}), record("b.n1"), now=1)
    scene.publish(record("c.n2", labels={"role": "db"}), now=1)
    [answer] = scene.tick(1 + GATHER)
    assert told(answer) == (3, ["a.n1"], {})
    # One comes to fit, and one no longer does.
    scene.publish(record("b.n1", 2, labels={"role": "db"}), record("a.n1", 2), now=2)
    [answer] = scene.watch(3, 2, **role)
    assert told(answer) == (5, ["b.n1"], {"a.n1": "it fits no longer"})
    refused(scene.watch(0, selector=("role==",) * 99), "bad-query")
    refused(scene.watch(0, glob="x" * 300), "too-large")


def test_more_than_one_answer_holds_comes_in_several() -> None:
    scene = Scene()
    scene.publish(*(record(f"s{number}.n1") for number in range(5)))
    seen, found = 0, list[str]()
    for count in (2, 2, 1):
        [answer] = scene.watch(seen, 1, limit=2)
        seen, here, _ = told(answer)
        assert len(here) == count
        found += here
    assert seen == 5 and found == [f"s{number}.n1" for number in range(5)]


def test_a_long_log_is_looked_through_in_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watches, "MAX_LOOK", 2)
    scene = Scene()
    scene.publish(record("a.n1"), record("b.n1"), record("c.n1"), record("d.n1"), record("e.n1"))
    answers = [told(scene.watch(seen, 1, glob="e.*")[0]) for seen in (0, 2, 4)]
    assert answers == [(2, [], {}), (4, [], {}), (5, ["e.n1"], {})]


def test_who_was_away_for_too_long_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes.ChangeLog.__init__, "__defaults__", ("", 4))
    scene = Scene()
    scene.publish(*(record(f"s{number}.n1") for number in range(8)))
    refused(scene.watch(3), "too-old")
    assert told(scene.watch(4)[0])[0] == 8
    refused(scene.watch(9), "too-old")  # it has seen what never was
    refused(scene.watch(4, log="of another life"), "too-old")


def test_too_much_at_once_for_one_that_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes.ChangeLog.__init__, "__defaults__", ("", 4))
    scene = Scene()
    assert scene.watch(0, 1) == []
    scene.publish(*(record(f"s{number}.n1") for number in range(8)), now=1)
    refused(scene.tick(1 + GATHER), "too-old")


def test_each_member_has_so_many_and_all_together(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene()
    for number in range(WATCHES_PER_MEMBER):
        assert scene.watch(0, peer=f"w{number}") == []
    refused(scene.watch(0), "busy")
    assert scene.watch(0, member="n8") == []
    monkeypatch.setattr(watches, "MAX_WATCHES", WATCHES_PER_MEMBER + 1)
    refused(scene.watch(0, member="n7"), "busy")
    # What is at its end makes room, and so does who has gone.
    scene.settle(scene.core.handle(Left("w3"), 1), 1)
    assert scene.watch(0, 1) == []
    assert len(scene.tick(HOLD)) == WATCHES_PER_MEMBER
    assert scene.tick(HOLD + 1) and len(scene.core.watches) == 0
    assert scene.core.deadline() is None


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), st.sampled_from("abcd"), st.booleans()),
        st.tuples(st.just("withdraw"), st.sampled_from("abcd"), st.just(False)),
        st.tuples(st.just("look"), st.integers(1, 3), st.booleans()),
    ),
    max_size=40,
)


@given(STEPS)
def test_who_looks_when_it_likes_knows_what_fits_in_the_end(steps: list[tuple[Any, ...]]) -> None:
    """Whatever happens in between, however little it is told at a time."""
    scene, known, seen, now = Scene(), dict[str, int](), 0, 0.0
    truth: dict[str, tuple[int, bool]] = {}

    def look(limit: int, hold: float) -> None:
        nonlocal seen
        for message in scene.watch(seen, now, selector=("in",), limit=limit, hold=hold):
            assert isinstance(message, Changes)
            seen = message.seen
            for signed in message.records:
                one = decode_record(signed.payload)
                known[one.name] = one.sequence
            for name in message.gone:
                del known[name]  # it is told only of what it knows

    for sequence, (step, what, flag) in enumerate(steps, 1):
        now += 0.01
        match step:
            case "publish":
                labels = {"in": ""} if flag else {}
                scene.publish(record(f"{what}.n1", sequence, labels=labels), now=now)
                truth[name_of(f"{what}.n1")] = sequence, flag
            case "withdraw":
                scene.withdraw(f"{what}.n1", now)
                truth.pop(name_of(f"{what}.n1"), None)
            case "look":
                look(what, 0.0)
    before = -1
    while seen != before:
        before = seen
        look(1, 0.0)
    assert known == {name: sequence for name, (sequence, fits) in truth.items() if fits}


def test_who_watches_the_same_is_answered_with_the_same_each_with_its_number() -> None:
    """And one that has seen less of it, with more."""
    scene = Scene()
    for number in (1, 2, 3):
        question = Watch(id=number, log="one", hold=HOLD)
        assert scene.settle(scene.core.handle(Watched(f"w{number}", "n9", question), 1), 1) == []
    scene.publish(record("a.n1"), now=1)
    answers = scene.tick(1 + GATHER)
    assert [message.id for message in answers] == [1, 2, 3]
    assert {told(message)[0] for message in answers} == {1}
    assert scene.watch(1, 2) == []
    scene.publish(record("b.n1"), now=2)
    scene.publish(record("c.n1"), now=2)
    [late] = scene.watch(1, 2 + GATHER / 2, limit=1, peer="late")
    assert told(late) == (2, ["b.n1"], {})
    [answer] = scene.tick(2 + GATHER)
    assert told(answer) == (3, ["b.n1", "c.n1"], {})
