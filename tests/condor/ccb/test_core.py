"""HTCondor's broker as arithmetic: who is told what, when, and what is held meanwhile."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from glasnost.condor.ccb.core import Broker
from glasnost.condor.ccb.registry import AFTER_RESTART, SWEEP, Registry
from glasnost.condor.ccb.words import (
    INVALID_ID,
    INVALID_ROUTE,
    NO_STREAMING,
    NOT_FORWARDED,
    REQUEST_TIME,
    STREAM_TIME,
    Answered,
    Drop,
    Ended,
    Forward,
    Gone,
    Hello,
    Join,
    Limits,
    Registering,
    Reply,
    Wanted,
    Welcome,
    unknown_id,
)

TARGET, REQUESTER, LEG = 1, 2, 3
REGISTERING = Registering(TARGET, "STARTD", "192.0.2.7", "fresh")
WANTED = Wanted(REQUESTER, "1", "c0ffee", "TOOL", "<192.0.2.9:5>", "192.0.2.9:4711", "bob@pool")
STREAM = replace(WANTED, streaming=True)
NOTHING = {"targets": 0, "requests": 0, "streams": 0, "shares": 0}


def registered(**limits: Any) -> Broker:
    broker = Broker(limits=Limits(**limits))
    assert broker.handle(REGISTERING, 0) == [Welcome(TARGET, 1, "fresh")]
    return broker


def test_a_request_is_passed_on_and_its_result_is_told() -> None:
    broker = registered()
    assert broker.handle(WANTED, 10) == [Forward(TARGET, 1, WANTED)]
    assert broker.deadline() == 10 + REQUEST_TIME
    assert broker.handle(Answered(TARGET, "1", "c0ffee", True), 11) == [Reply(REQUESTER)]
    assert broker.counts == NOTHING | {"targets": 1}
    assert broker.handle(Answered(TARGET, "1", "c0ffee", True), 12) == []


def test_what_the_target_says_of_its_failure_is_told() -> None:
    broker = registered()
    broker.handle(WANTED, 0)
    said = Answered(TARGET, "1", "c0ffee", False, "failed to connect")
    assert broker.handle(said, 1) == [Reply(REQUESTER, "failed to connect")]


REFUSALS = [
    ("nobody", {"ccbid": "99999"}, unknown_id(99999)),
    ("no number", {"ccbid": "abc"}, INVALID_ID),
    ("none", {"ccbid": ""}, INVALID_ID),
    ("two of them", {"ccbid": "1#4", "streaming": True}, INVALID_ID),
    ("a number in other digits", {"ccbid": "\u0661"}, INVALID_ID),
    ("a route that is none", {"route": "4;5"}, INVALID_ROUTE),
    ("a route of nine", {"route": "1 2 3 4 5 6 7 8 9"}, INVALID_ROUTE),
    ("a name that is too long", {"name": "x" * 5000}, "a text of more than 4096 characters"),
]


@pytest.mark.parametrize(
    ("changes", "error"), [case[1:] for case in REFUSALS], ids=[case[0] for case in REFUSALS]
)
def test_what_cannot_be_served_is_refused_as_htcondor_does(
    changes: dict[str, object], error: str
) -> None:
    broker = registered()
    wanted = replace(WANTED, **changes)  # type: ignore[arg-type]
    assert broker.handle(wanted, 0) == [Reply(REQUESTER, error)]
    assert broker.counts == NOTHING | {"targets": 1}


def test_the_text_for_an_unknown_id_is_the_real_ones() -> None:
    assert unknown_id(999999) == (
        "CCB server rejecting request for ccbid 999999 because no daemon is currently registered "
        "with that id (perhaps it recently disconnected)."
    )


def test_a_route_of_eight_is_passed_on() -> None:
    wanted = replace(STREAM, route="4 5 6 7 8 9 10 11")
    assert registered().handle(wanted, 0) == [Forward(TARGET, 1, wanted)]


def test_a_wrong_connect_id_costs_the_target_its_registration() -> None:
    broker = registered()
    broker.handle(WANTED, 0)
    [reply, drop] = broker.handle(Answered(TARGET, "1", "other", True), 1)
    assert reply == Reply(REQUESTER, NOT_FORWARDED)
    assert isinstance(drop, Drop)
    assert drop.peer == TARGET
    assert broker.counts == NOTHING


def test_one_target_cannot_answer_for_another() -> None:
    broker = registered()
    broker.handle(replace(REGISTERING, peer=7, ip="192.0.2.8"), 0)
    broker.handle(WANTED, 0)
    assert broker.handle(Answered(7, "1", "c0ffee", True), 1) == []
    assert broker.counts["requests"] == 1


@pytest.mark.parametrize("number", ["", "x", "2", "-1", "9" * 30])
def test_a_result_of_no_request_is_nothing(number: str) -> None:
    broker = registered()
    broker.handle(WANTED, 0)
    assert broker.handle(Answered(TARGET, number, "c0ffee", True), 1) == []


def test_a_stream_begins_with_its_hello() -> None:
    broker = registered()
    assert broker.handle(STREAM, 0) == [Forward(TARGET, 1, STREAM)]
    assert broker.deadline() == STREAM_TIME
    assert broker.handle(Answered(TARGET, "1", "c0ffee", True), 1) == []
    assert broker.handle(Hello(LEG, "1", "c0ffee"), 2) == [Join(1, REQUESTER, LEG)]
    assert broker.counts == {"targets": 1, "requests": 0, "streams": 1, "shares": 2}
    assert broker.handle(Gone(TARGET), 3) == []  # the stream goes on
    assert broker.handle(Ended(1), 4) == []
    assert broker.counts == NOTHING


def test_a_result_may_come_behind_the_hello() -> None:
    broker = registered()
    broker.handle(STREAM, 0)
    broker.handle(Hello(LEG, "1", "c0ffee"), 1)
    assert broker.handle(Answered(TARGET, "1", "c0ffee", True), 2) == []


@pytest.mark.parametrize(
    ("wanted", "hello"),
    [
        (STREAM, Hello(LEG, "2", "c0ffee")),
        (STREAM, Hello(LEG, "1", "wrong")),
        (STREAM, Hello(LEG, "", "")),
        (WANTED, Hello(LEG, "1", "c0ffee")),  # which is to be dialled, and not us
    ],
)
def test_a_hello_that_nobody_waits_for_is_closed(wanted: Wanted, hello: Hello) -> None:
    broker = registered()
    broker.handle(wanted, 0)
    [effect] = broker.handle(hello, 1)
    assert isinstance(effect, Drop)
    assert effect.peer == LEG
    assert broker.counts["requests"] == 1


def test_a_target_that_is_lost_fails_what_it_was_asked() -> None:
    broker = registered()
    broker.handle(WANTED, 0)
    broker.handle(replace(STREAM, peer=5), 0)
    assert broker.handle(Gone(TARGET), 1) == [
        Reply(REQUESTER, NOT_FORWARDED),
        Reply(5, NOT_FORWARDED),
    ]
    assert broker.handle(replace(WANTED, peer=6), 2) == [Reply(6, unknown_id(1))]
    assert broker.handle(Gone(REQUESTER), 2) == []
    assert broker.counts == NOTHING


def test_a_requester_that_hangs_up_is_forgotten() -> None:
    broker = registered()
    broker.handle(STREAM, 0)
    assert broker.handle(Gone(REQUESTER), 1) == []
    assert broker.counts == NOTHING | {"targets": 1}
    [effect] = broker.handle(Hello(LEG, "1", "c0ffee"), 2)
    assert isinstance(effect, Drop)


@pytest.mark.parametrize(("wanted", "time"), [(WANTED, REQUEST_TIME), (STREAM, STREAM_TIME)])
def test_who_is_not_answered_is_told_so_in_the_end(wanted: Wanted, time: float) -> None:
    broker = registered()
    broker.handle(wanted, 5)
    assert broker.tick(5 + time - 1) == []
    [reply] = broker.tick(5 + time)
    assert reply == Reply(REQUESTER, "timed out: the target did not answer")
    assert broker.counts == NOTHING | {"targets": 1}


# --- coming back ----------------------------------------------------------------------------------


def test_who_comes_back_with_its_cookie_has_its_id() -> None:
    broker = registered()
    broker.handle(Gone(TARGET), 1)
    back = replace(REGISTERING, peer=9, fresh="other", old=1, cookie="fresh")
    assert broker.handle(back, 2) == [Welcome(9, 1, "fresh")]


@pytest.mark.parametrize(
    "changes", [{"cookie": "wrong"}, {"ip": "192.0.2.8"}, {"old": 2}, {"old": None}]
)
def test_who_comes_back_otherwise_has_a_new_one(changes: dict[str, object]) -> None:
    broker = registered()
    broker.handle(Gone(TARGET), 1)
    back = replace(REGISTERING, peer=9, fresh="other", old=1, cookie="fresh")
    changed = replace(back, **changes)  # type: ignore[arg-type]
    assert broker.handle(changed, 2) == [Welcome(9, 2, "other")]


def test_who_comes_back_before_he_was_missed_takes_his_place() -> None:
    broker = registered()
    broker.handle(WANTED, 1)
    back = replace(REGISTERING, peer=9, old=1, cookie="fresh")
    [reply, drop, welcome] = broker.handle(back, 2)
    assert reply == Reply(REQUESTER, NOT_FORWARDED)
    assert isinstance(drop, Drop)
    assert (drop.peer, welcome) == (TARGET, Welcome(9, 1, "fresh"))
    assert broker.handle(Gone(TARGET), 3) == []
    assert broker.handle(replace(WANTED, peer=5), 4) == [Forward(9, 2, replace(WANTED, peer=5))]


def test_ids_go_on_behind_those_of_the_last_process() -> None:
    kept = [(3, "192.0.2.7", "c3"), (311, "192.0.2.8", "c311")]
    broker = Broker(Registry(kept))
    back = replace(REGISTERING, old=3, cookie="c3")
    assert broker.handle(back, 0) == [Welcome(TARGET, 3, "c3")]
    new = replace(REGISTERING, peer=2)
    assert broker.handle(new, 0) == [Welcome(2, 311 + AFTER_RESTART + 1, "fresh")]  # 412, as seen


def test_an_id_is_forgotten_two_sweeps_after_its_target_went() -> None:
    broker = registered()
    broker.handle(replace(REGISTERING, peer=8, ip="192.0.2.8"), 0)
    broker.tick(SWEEP)
    broker.handle(Gone(TARGET), SWEEP + 1)
    for sweep in (2, 3):
        assert broker.deadline() == sweep * SWEEP
        broker.tick(sweep * SWEEP)
    assert [one.ccbid for one in broker.registry.entries()] == [2]
    assert broker.registry.take_changes()[1]


# --- limits ---------------------------------------------------------------------------------------


def test_there_is_room_for_so_many_targets() -> None:
    broker = registered(targets=1)
    [drop] = broker.handle(replace(REGISTERING, peer=9), 0)
    assert isinstance(drop, Drop)
    back = replace(REGISTERING, peer=10, old=1, cookie="fresh")
    assert broker.handle(back, 0)[-1] == Welcome(10, 1, "fresh")  # who takes a place gives one


LIMITS = [
    ({"requests": 1}, WANTED, "1 requests are in flight here, the limit"),
    ({"requests_per_source": 1}, WANTED, "1 requests of 192.0.2.9 are in flight, its limit"),
    ({"streams": 1}, STREAM, "1 streams are relayed here, the limit"),
    ({"streams_per_source": 1}, STREAM, "192.0.2.9 has 1 relayed streams, its limit"),
    ({"streaming": False}, STREAM, NO_STREAMING),
]


@pytest.mark.parametrize(("limits", "wanted", "error"), LIMITS)
def test_over_a_limit_there_is_a_sentence(
    limits: dict[str, int], wanted: Wanted, error: str
) -> None:
    broker = registered(**limits)
    if error != NO_STREAMING:
        assert broker.handle(wanted, 0) == [Forward(TARGET, 1, wanted)]
    assert broker.handle(replace(wanted, peer=9), 0) == [Reply(9, error)]
    broker.handle(Gone(REQUESTER), 1)
    if error != NO_STREAMING:
        assert broker.handle(replace(wanted, peer=10), 0) == [
            Forward(TARGET, 2, replace(wanted, peer=10))
        ]


def test_another_source_has_a_share_of_its_own() -> None:
    broker = registered(requests_per_source=1)
    broker.handle(WANTED, 0)
    other = replace(WANTED, peer=9, at="[2001:db8::9]:5")
    assert broker.handle(other, 0) == [Forward(TARGET, 2, other)]


def test_one_address_has_its_share_of_targets() -> None:
    broker = registered(targets_per_source=2)
    again = replace(REGISTERING, peer=5)
    assert broker.handle(again, 0) == [Welcome(5, 2, "fresh")]
    third = replace(REGISTERING, peer=6)
    why = "2 targets of 192.0.2.7 are registered, its limit"
    assert broker.handle(third, 0) == [Drop(6, why)]
    other = replace(REGISTERING, peer=7, ip="192.0.2.8")
    assert broker.handle(other, 0) == [Welcome(7, 3, "fresh")]
    # Who comes back before it was seen that he had gone takes his own place.
    back = replace(REGISTERING, peer=8, old=2, cookie="fresh")
    dropped = Drop(5, "it has registered anew")
    assert broker.handle(back, 0) == [dropped, Welcome(8, 2, "fresh")]
    broker.handle(Gone(8), 1)
    assert broker.handle(replace(third, peer=9), 1) == [Welcome(9, 4, "fresh")]


def test_no_streaming_names_the_setting() -> None:
    assert "CCB streaming mode is required" in NO_STREAMING
    assert "CCB_SERVER_STREAMING" in NO_STREAMING


# --- whatever happens -----------------------------------------------------------------------------


class Anything(RuleBasedStateMachine):
    """Whatever happens in whatever order: each request is answered once at most, nobody who has
    gone is told anything, and at the end nothing is left."""

    def __init__(self) -> None:
        super().__init__()
        self.broker = Broker(limits=Limits(targets=3, requests=4, streams=2, streams_per_source=2))
        self.now = 0.0
        self.last = 0
        self.targets: set[int] = set()
        self.asking: dict[int, Wanted] = {}
        self.forwarded: dict[int, tuple[int, Wanted]] = {}
        self.streams: set[int] = set()

    def carry_out(self, effects: object) -> None:
        assert isinstance(effects, list)
        for effect in effects:
            match effect:
                case Welcome(peer):
                    self.targets.add(peer)
                case Forward(peer, request, wanted):
                    assert peer in self.targets
                    self.forwarded[request] = peer, wanted
                case Reply(peer):
                    del self.asking[peer]
                case Join(request, peer):
                    del self.asking[peer]
                    self.streams.add(request)
                case Drop(peer):
                    self.targets.discard(peer)

    def handle(self, event: object) -> None:
        self.carry_out(self.broker.handle(event, self.now))  # type: ignore[arg-type]

    def new(self) -> int:
        self.last += 1
        return self.last

    @rule(old=st.none() | st.integers(1, 4))
    def register(self, old: int | None) -> None:
        self.handle(Registering(self.new(), "x", "192.0.2.7", "cookie", old, "cookie"))

    @rule(ccbid=st.integers(1, 6), streaming=st.booleans(), source=st.integers(1, 2))
    def want(self, ccbid: int, streaming: bool, source: int) -> None:
        peer = self.new()
        at = f"192.0.2.{source}:5"
        wanted = Wanted(peer, str(ccbid), f"id{peer}", "x", "<r>", at, "u", streaming)
        self.asking[peer] = wanted
        self.handle(wanted)

    @precondition(lambda self: self.forwarded)
    @rule(data=st.data(), ok=st.booleans(), right=st.booleans())
    def answer(self, data: st.DataObject, ok: bool, right: bool) -> None:
        request = data.draw(st.sampled_from(sorted(self.forwarded)))
        target, wanted = self.forwarded[request]
        self.handle(Answered(target, str(request), wanted.connect_id if right else "x", ok))

    @precondition(lambda self: self.forwarded)
    @rule(data=st.data())
    def hello(self, data: st.DataObject) -> None:
        request = data.draw(st.sampled_from(sorted(self.forwarded)))
        self.handle(Hello(self.new(), str(request), self.forwarded[request][1].connect_id))

    @precondition(lambda self: self.targets or self.asking)
    @rule(data=st.data())
    def go(self, data: st.DataObject) -> None:
        peer = data.draw(st.sampled_from(sorted({*self.targets, *self.asking})))
        self.targets.discard(peer)
        self.asking.pop(peer, None)
        self.handle(Gone(peer))

    @precondition(lambda self: self.streams)
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        self.handle(Ended(self.streams.pop()))

    @rule(seconds=st.sampled_from([1.0, 100.0, 301.0, 1300.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        while (at := self.broker.deadline()) is not None and at <= self.now:
            self.carry_out(self.broker.tick(self.now))

    @invariant()
    def what_is_held_is_what_there_is(self) -> None:
        counts = self.broker.counts
        assert counts["targets"] == len(self.targets) <= 3
        assert counts["requests"] == len(self.asking) <= 4
        assert counts["streams"] == len(self.streams) <= 2

    def teardown(self) -> None:
        for peer in [*self.targets, *self.asking]:
            self.handle(Gone(peer))
        for request in self.streams:
            self.handle(Ended(request))
        assert self.broker.counts == NOTHING


TestAnything = Anything.TestCase
