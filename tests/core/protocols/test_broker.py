"""The broker's core: arithmetic on its clock, then anything in any order."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from glasnost.core.protocols.broker import Broker
from glasnost.core.protocols.broker_words import (
    LEG_GRACE,
    LEG_WAIT,
    MAX_TIMEOUT,
    Close,
    Effect,
    Ended,
    Gone,
    Join,
    Joined,
    LegArrived,
    LegLost,
    Limits,
    RefuseLeg,
    Said,
    Send,
    Wanted,
)
from glasnost.core.wire.messages import (
    DialBack,
    Done,
    Failed,
    Leg,
    Message,
    Register,
    Registered,
    Relay,
    Request,
)

REPLY = b"r" * 16
RETURNS = ("public/ip4:198.51.100.4:9618",)
A, B = b"a" * 16, b"b" * 16
ALICE, NODE7 = 1, 2


def scene(limits: Limits | None = None) -> Broker:
    """Alice on node3 has joined, and node7 is registered."""
    broker = Broker(limits, lease=55.0)
    broker.handle(Joined(ALICE, "node3", "alice@node3", agent=False), 0)
    broker.handle(Joined(NODE7, "node7", "node7", True, "203.0.113.7:4711"), 0)
    broker.handle(Said(NODE7, Register(id=1)), 0)
    return broker


def dial_back(id: int = 5, contact: str = "node7", timeout: float = 5.0) -> Wanted:
    request = Request(id, contact, "dial-back", REPLY, RETURNS, timeout)
    return Wanted(ALICE, request, (A, B))


def relay(
    id: int = 5,
    timeout: float = 20.0,
    tokens: tuple[bytes, bytes] = (A, B),
    contact: str = "node7",
) -> Wanted:
    return Wanted(ALICE, Request(id, contact, "relay", timeout=timeout), tokens)


def reason(effects: list[Effect]) -> tuple[str, str]:
    """The code and the sentence of the one refusal among the effects."""
    found = []
    for effect in effects:
        match effect:
            case Send(_, Failed(_, code, why)) | RefuseLeg(_, code, why) | Close(_, code, why):
                found.append((code, why))
    assert len(found) == 1
    return found[0]


# --- registering --------------------------------------------------------------------------------


def test_a_target_learns_its_contact_its_lease_and_how_it_is_seen() -> None:
    broker = Broker(lease=55.0)
    broker.handle(Joined(NODE7, "node7", "node7", True, "203.0.113.7:4711"), 0)
    assert broker.handle(Said(NODE7, Register(id=1)), 0) == [
        Send(NODE7, Registered(1, "node7", 55.0, "203.0.113.7:4711"))
    ]
    assert broker.targets == ("node7",)


def test_only_an_agent_registers() -> None:
    effects = scene().handle(Said(ALICE, Register(id=1)), 0)
    assert reason(effects) == (
        "not-allowed",
        "only a node's agent registers, and this is alice@node3",
    )


def test_the_newest_registration_replaces_the_older() -> None:
    broker = scene()
    broker.handle(Joined(3, "node7", "node7", True, "203.0.113.8:1"), 1)
    why = "node7 registered anew from 203.0.113.8:1"
    assert broker.handle(Said(3, Register(id=1)), 1) == [
        Close(NODE7, "replaced", why),
        Send(3, Registered(1, "node7", 55.0, "203.0.113.8:1")),
    ]
    [sent] = broker.handle(dial_back(), 2)
    assert isinstance(sent, Send)
    assert sent.peer == 3
    assert broker.handle(Gone(NODE7), 3) == []
    assert broker.targets == ("node7",)


def test_the_programs_of_one_node_are_targets_by_themselves() -> None:
    """Beside its agent; but its quota is the node's."""
    broker = scene(Limits(streams_per_member=1))
    for number, program in ((3, "a1"), (4, "b2")):
        broker.handle(Joined(number, "node7", "node7", True), 1)
        assert broker.handle(Said(number, Register(id=1, program=program)), 1) == [
            Send(number, Registered(1, f"node7.{program}", 55.0))
        ]
    assert broker.targets == ("node7", "node7.a1", "node7.b2")
    [sent] = broker.handle(dial_back(contact="node7.b2"), 2)
    assert isinstance(sent, Send) and sent.peer == 4
    assert len(broker.handle(relay(6, contact="node7.a1"), 2)) == 2
    assert reason(broker.handle(relay(7, contact="node7.b2"), 2))[0] == "quota"
    assert reason(broker.handle(Gone(4), 3)) == (
        "target-lost",
        '"node7.b2" was lost: its connection to the broker broke',
    )
    assert "node7.b2" not in broker.targets


@pytest.mark.parametrize("program", ["A", "a.b", "a" * 33, "ä", "a\n"])
def test_a_programs_name_is_short_and_simple(program: str) -> None:
    broker = scene()
    assert reason(broker.handle(Said(NODE7, Register(1, program)), 1))[0] == "bad-request"
    assert broker.targets == ("node7",)


def test_who_registers_under_another_name_has_only_that() -> None:
    broker = scene()
    broker.handle(Said(NODE7, Register(2, "a1")), 1)
    assert broker.targets == ("node7.a1",)


def test_registering_twice_on_one_connection_changes_nothing() -> None:
    broker = scene()
    [sent] = broker.handle(Said(NODE7, Register(id=2)), 1)
    assert isinstance(sent, Send)
    assert sent.message == Registered(2, "node7", 55.0, "203.0.113.7:4711")


def test_a_full_broker_takes_no_new_target_but_an_old_one_again() -> None:
    broker = scene(Limits(targets=1))
    broker.handle(Joined(3, "node8", "node8", True), 0)
    assert reason(broker.handle(Said(3, Register(id=1)), 0)) == (
        "busy",
        "1 targets are registered here, the limit",
    )
    broker.handle(Joined(4, "node7", "node7", True), 0)
    assert isinstance(broker.handle(Said(4, Register(id=1)), 0)[-1], Send)


def test_a_member_has_only_so_many_connections() -> None:
    broker = scene(Limits(connections_per_member=1))
    effects = broker.handle(Joined(3, "node3", "bob@node3", False), 0)
    assert effects == [Close(3, "quota", "node3 has 1 connections here, its limit")]
    broker.handle(Gone(ALICE), 1)
    assert broker.refuses("node3") is None


# --- dialling back ------------------------------------------------------------------------------


def test_a_dial_back_goes_to_the_target_and_its_word_back_to_the_requester() -> None:
    broker = scene()
    [sent] = broker.handle(dial_back(id=5), 10)
    assert sent == Send(NODE7, DialBack(1, REPLY, RETURNS, "alice@node3", 5.0))
    assert broker.deadline() == 15
    assert broker.handle(Said(NODE7, Done(1)), 11) == [Send(ALICE, Done(5))]
    assert broker.deadline() is None
    assert broker.handle(Said(NODE7, Failed(1, "late", "")), 12) == []


def test_the_targets_reason_is_passed_on() -> None:
    broker = scene()
    broker.handle(dial_back(id=5), 10)
    effects = broker.handle(Said(NODE7, Failed(1, "refused", "route 1: Connection refused")), 11)
    assert effects == [Send(ALICE, Failed(5, "refused", "route 1: Connection refused"))]


def test_a_targets_odd_code_and_endless_sentence_are_tamed() -> None:
    broker = scene()
    broker.handle(dial_back(id=5), 10)
    code, why = reason(broker.handle(Said(NODE7, Failed(1, "\x1b[2J", "x" * 5000)), 11))
    assert (code, len(why)) == ("failed", 300)


def test_a_silent_target_is_reported_when_the_time_is_over() -> None:
    broker = scene()
    broker.handle(dial_back(timeout=5), 10)
    assert broker.tick(14.9) == []
    assert reason(broker.tick(15)) == ("timeout", '"node7" did not come in time')
    assert broker.tick(16) == []


def test_timeouts_are_bounded_and_nonsense_means_the_bound() -> None:
    for timeout in (0.0, -1.0, float("nan"), float("inf"), 1e9):
        broker = scene()
        broker.handle(dial_back(timeout=timeout), 10)
        assert broker.deadline() == 10 + MAX_TIMEOUT


def test_nobody_is_registered() -> None:
    effects = scene().handle(dial_back(id=5, contact="node9"), 0)
    assert effects == [
        Send(ALICE, Failed(5, "not-registered", 'no target is registered as "node9"'))
    ]


def test_a_lost_target_fails_its_requests_at_once_and_by_name() -> None:
    broker = scene()
    broker.handle(dial_back(), 10)
    assert reason(broker.handle(Gone(NODE7), 11)) == (
        "target-lost",
        '"node7" was lost: its connection to the broker broke',
    )
    assert reason(broker.handle(dial_back(), 12))[0] == "not-registered"


def test_another_target_cannot_answer_for_it() -> None:
    broker = scene()
    broker.handle(Joined(3, "node8", "node8", True), 0)
    broker.handle(dial_back(), 10)
    assert broker.handle(Said(3, Done(1)), 11) == []
    assert broker.handle(Said(NODE7, Done(1)), 11) == [Send(ALICE, Done(5))]


def test_an_agent_may_ask_for_itself_and_be_lost() -> None:
    broker = scene()
    request = Request(9, "node7", "dial-back", REPLY, RETURNS, 5)
    broker.handle(Wanted(NODE7, request, (A, B)), 1)
    broker.handle(Wanted(NODE7, Request(10, "node7", "relay", timeout=5), (A, B)), 1)
    assert broker.handle(Gone(NODE7), 2) == []
    assert broker.tick(2 + LEG_GRACE) == []
    assert broker.handle(Gone(ALICE), 5) == []
    assert not any(broker.counts.values())


def test_requests_that_make_no_sense_are_answered() -> None:
    cases = [
        (Request(5, "node7", "teleport"), "unsupported"),
        (Request(5, "node7", "dial-back", b"short", RETURNS), "bad-request"),
        (Request(5, "node7", "dial-back", REPLY, ()), "bad-request"),
        (Request(5, "node7", "dial-back", REPLY, ("x" * 257,)), "bad-request"),
    ]
    for request, code in cases:
        assert reason(scene().handle(Wanted(ALICE, request, (A, B)), 0))[0] == code


def test_only_sixteen_return_routes_travel_on() -> None:
    request = Request(5, "node7", "dial-back", REPLY, RETURNS * 40, 5)
    [sent] = scene().handle(Wanted(ALICE, request, (A, B)), 0)
    assert isinstance(sent, Send)
    assert isinstance(sent.message, DialBack)
    assert len(sent.message.returns) == 16


def test_messages_out_of_place_are_answered() -> None:
    effects = scene().handle(Said(ALICE, Registered(id=4)), 0)
    assert effects == [Send(ALICE, Failed(4, "unexpected", "a broker is not told Registered"))]


# --- relaying -----------------------------------------------------------------------------------


def test_two_legs_make_a_stream() -> None:
    broker = scene()
    assert broker.handle(relay(id=5, timeout=20), 10) == [
        Send(ALICE, Relay(5, A)),
        Send(NODE7, Leg(1, B, "alice@node3", 20.0)),
    ]
    assert broker.handle(LegArrived(B, leg=70), 11) == []
    assert broker.handle(Said(NODE7, Done(1)), 11) == []
    assert broker.handle(LegArrived(A, leg=71), 12) == [Join(1, (71, 70), ("node3", "node7"))]
    assert broker.deadline() is None
    assert broker.counts["streams"] == 1
    broker.handle(Ended(1), 90)
    assert broker.counts["streams"] == 0


def test_a_token_is_used_once() -> None:
    broker = scene()
    broker.handle(relay(), 10)
    broker.handle(LegArrived(A, leg=70), 11)
    assert reason(broker.handle(LegArrived(A, leg=71), 11))[0] == "unknown-token"
    assert broker.handle(LegArrived(B, leg=72), 11) == [Join(1, (70, 72), ("node3", "node7"))]


def test_a_leg_waits_ten_seconds_for_the_other() -> None:
    broker = scene()
    broker.handle(relay(timeout=30), 10)
    broker.handle(LegArrived(A, leg=70), 11)
    assert broker.deadline() == 11 + LEG_WAIT
    assert broker.tick(21) == [RefuseLeg(70, "timeout", '"node7" did not come in time')]
    assert reason(broker.handle(LegArrived(B, leg=71), 21))[0] == "unknown-token"


def test_tokens_expire_with_their_request() -> None:
    broker = scene()
    broker.handle(relay(timeout=4), 10)
    assert broker.tick(14) == []
    assert reason(broker.handle(LegArrived(A, leg=70), 14))[0] == "unknown-token"


def test_a_target_that_cannot_is_told_on_the_waiting_leg() -> None:
    broker = scene()
    broker.handle(relay(), 10)
    broker.handle(LegArrived(A, leg=70), 11)
    effects = broker.handle(Said(NODE7, Failed(1, "busy", "256 in flight")), 12)
    assert effects == [RefuseLeg(70, "busy", "256 in flight")]


def test_a_target_that_cannot_is_told_on_the_leg_that_comes_later() -> None:
    broker = scene()
    broker.handle(relay(), 10)
    assert broker.handle(Said(NODE7, Failed(1, "busy", "256 in flight")), 12) == []
    assert broker.handle(Gone(NODE7), 13) == []
    effects = broker.handle(LegArrived(A, leg=70), 13)
    assert effects == [RefuseLeg(70, "busy", "256 in flight")]
    assert broker.deadline() is None


def test_a_target_lost_after_its_leg_came_hurts_nothing() -> None:
    broker = scene()
    broker.handle(relay(), 10)
    broker.handle(LegArrived(B, leg=70), 11)
    assert broker.handle(Gone(NODE7), 12) == []
    assert broker.handle(LegArrived(A, leg=71), 13) == [Join(1, (71, 70), ("node3", "node7"))]


def test_a_requester_that_hangs_up_has_a_moment_for_its_leg() -> None:
    broker = scene()
    broker.handle(relay(), 10)
    broker.handle(LegArrived(B, leg=70), 11)
    broker.handle(Gone(ALICE), 11)
    assert broker.deadline() == 11 + LEG_GRACE
    assert broker.tick(13) == [RefuseLeg(70, "timeout", "the requester did not come in time")]


def test_a_waiting_leg_that_closes_ends_its_errand() -> None:
    broker = scene()
    broker.handle(relay(), 10)
    broker.handle(LegArrived(B, leg=70), 11)
    assert broker.handle(LegLost(70), 12) == []
    assert broker.handle(LegArrived(A, leg=71), 12) == [
        RefuseLeg(71, "target-lost", '"node7" hung up')
    ]
    broker.handle(relay(), 20)
    broker.handle(LegArrived(A, leg=72), 21)
    assert broker.handle(LegLost(72), 22) == []
    assert broker.counts["requests"] == 0


# --- limits -------------------------------------------------------------------------------------


def test_each_limit_refuses_with_its_number() -> None:
    cases = [
        (Limits(requests_per_member=1), "quota", "node3 has 1 requests in flight here, its limit"),
        (Limits(requests=1), "busy", "1 requests are in flight here, the limit"),
        (Limits(streams_per_member=1), "quota", "node3 has 1 relayed streams, its limit"),
        (Limits(streams=1), "busy", "1 streams are relayed here, the limit"),
    ]
    for limits, code, why in cases:
        broker = scene(limits)
        broker.handle(relay(id=5), 0)
        assert reason(broker.handle(relay(id=6, tokens=(b"c" * 16, b"d" * 16)), 0)) == (code, why)


def test_a_streams_place_is_free_when_it_ends() -> None:
    broker = scene(Limits(streams=1))
    broker.handle(relay(), 0)
    broker.handle(LegArrived(A, 70), 0)
    broker.handle(LegArrived(B, 71), 0)
    assert reason(broker.handle(relay(), 1))[0] == "busy"
    broker.handle(Ended(1), 2)
    assert isinstance(broker.handle(relay(), 3)[0], Send)


def test_limits_fit_the_descriptors_of_a_process() -> None:
    small = Limits().within(20_000)
    assert small.targets + 2 * small.streams <= 15_000
    assert Limits().within(10**6) == Limits()


# --- anything, in any order ---------------------------------------------------------------------

NODES = ("n1", "n2", "n3")
SOME = Limits(
    targets=2,
    requests=6,
    requests_per_member=4,
    streams=4,
    streams_per_member=3,
    connections_per_member=3,
)


class AnyOrder(RuleBasedStateMachine):
    """Peers, requests and legs come and go. Counted from outside: what was asked and answered,
    which tokens were given out, which legs are held."""

    def __init__(self) -> None:
        super().__init__()
        self.broker = Broker(SOME)
        self.now = 0.0
        self.ids = itertools.count(1)
        self.peers: dict[int, str] = {}
        self.open: Counter[tuple[int, int]] = Counter()
        self.errands: list[tuple[int, int]] = []  # (target, number) as targets were told
        self.fresh: list[bytes] = []  # tokens given out, not yet used
        self.used: list[bytes] = []
        self.legs: set[int] = set()
        self.streams: dict[int, tuple[int, int]] = {}

    def run(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Send(peer, message):
                    assert peer in self.peers, "told to somebody who is gone"
                    self.sent(peer, message)
                case Close(peer):
                    self.forget(peer)
                case RefuseLeg(leg):
                    self.legs.remove(leg)
                case Join(stream, legs):
                    assert legs[0] != legs[1]
                    self.legs -= set(legs)
                    self.streams[stream] = legs

    def sent(self, peer: int, message: Message) -> None:
        match message:
            case DialBack(id=number):
                self.errands.append((peer, number))
            case Leg(id=number, token=token):
                self.errands.append((peer, number))
                self.fresh.append(token)
            case Relay(id=number, token=token):
                self.fresh.append(token)
                self.answered(peer, number)
            case Done(id=number) | Failed(id=number) | Registered(id=number):
                self.answered(peer, number)

    def answered(self, peer: int, number: int) -> None:
        assert self.open[peer, number] == 1, "answered twice, or never asked"
        del self.open[peer, number]

    def forget(self, peer: int) -> None:
        self.peers.pop(peer, None)
        self.open = Counter({key: n for key, n in self.open.items() if key[0] != peer})

    def handle(self, event: object) -> None:
        self.run(self.broker.handle(event, self.now))  # type: ignore[arg-type]

    @rule(node=st.sampled_from(NODES), agent=st.booleans())
    def join(self, node: str, agent: bool) -> None:
        peer = next(self.ids)
        self.peers[peer] = node
        self.handle(Joined(peer, node, node if agent else f"u@{node}", agent))

    @initialize()
    def start(self) -> None:
        """So that most of what follows leads somewhere."""
        for node in NODES[:2]:
            self.join(node, agent=True)
            peer, id = max(self.peers), next(self.ids)
            self.open[peer, id] = 1
            self.handle(Said(peer, Register(id)))

    @precondition(lambda self: self.peers)
    @rule(data=st.data())
    def register(self, data: st.DataObject) -> None:
        peer, id = data.draw(st.sampled_from(sorted(self.peers))), next(self.ids)
        self.open[peer, id] = 1
        self.handle(Said(peer, Register(id)))

    @precondition(lambda self: self.peers)
    @rule(
        data=st.data(),
        contact=st.sampled_from(NODES[:2]),
        way=st.sampled_from(["dial-back", "relay", "relay", "no"]),
        timeout=st.floats(-1, 40),
    )
    def want(self, data: st.DataObject, contact: str, way: str, timeout: float) -> None:
        peer, id = data.draw(st.sampled_from(sorted(self.peers))), next(self.ids)
        self.open[peer, id] = 1
        tokens = (id.to_bytes(16, "big"), (id << 64).to_bytes(16, "big"))
        self.handle(Wanted(peer, Request(id, contact, way, REPLY, RETURNS, timeout), tokens))

    @precondition(lambda self: self.errands)
    @rule(data=st.data(), done=st.booleans())
    def answer(self, data: st.DataObject, done: bool) -> None:
        peer, number = data.draw(st.sampled_from(self.errands))
        self.handle(Said(peer, Done(number) if done else Failed(number, "no", "no")))

    @precondition(lambda self: self.fresh)
    @rule(data=st.data())
    def leg_comes(self, data: st.DataObject) -> None:
        token, leg = data.draw(st.sampled_from(self.fresh)), next(self.ids)
        self.fresh.remove(token)
        self.used.append(token)
        self.legs.add(leg)
        self.handle(LegArrived(token, leg))

    @precondition(lambda self: self.used)
    @rule(data=st.data())
    def used_token_comes(self, data: st.DataObject) -> None:
        leg = next(self.ids)
        self.legs.add(leg)
        self.handle(LegArrived(data.draw(st.sampled_from(self.used)), leg))
        assert leg not in self.legs, "a token was accepted twice"

    @precondition(lambda self: self.legs)
    @rule(data=st.data())
    def leg_goes(self, data: st.DataObject) -> None:
        leg = data.draw(st.sampled_from(sorted(self.legs)))
        self.legs.remove(leg)
        self.handle(LegLost(leg))

    @precondition(lambda self: self.peers)
    @rule(data=st.data())
    def go(self, data: st.DataObject) -> None:
        peer = data.draw(st.sampled_from(sorted(self.peers)))
        self.forget(peer)
        self.handle(Gone(peer))

    @precondition(lambda self: self.streams)
    @rule(data=st.data())
    def stream_ends(self, data: st.DataObject) -> None:
        stream = data.draw(st.sampled_from(sorted(self.streams)))
        del self.streams[stream]
        self.handle(Ended(stream))

    @rule(seconds=st.sampled_from([0.0, 0.1, 3.0, 12.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.run(self.broker.tick(self.now))

    @invariant()
    def agrees(self) -> None:
        counts = self.broker.counts
        assert counts["waiting_legs"] == len(self.legs)
        assert counts["streams"] == len(self.streams) <= SOME.streams
        assert counts["requests"] <= SOME.requests
        assert counts["targets"] <= SOME.targets
        assert counts["peers"] == len(self.peers)

    def teardown(self) -> None:
        self.time_passes(MAX_TIMEOUT)
        assert not self.open, "never answered"
        assert not self.legs, "a leg waits for ever"
        for peer in sorted(self.peers):
            self.forget(peer)
            self.handle(Gone(peer))
        for stream in sorted(self.streams):
            self.handle(Ended(stream))
        self.run(self.broker.tick(self.now + LEG_GRACE))
        assert not any(self.broker.counts.values()), f"left over: {self.broker.counts}"
        assert self.broker.deadline() is None


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(stateful_step_count=60)
