"""A directory under any sequence of events, against a model that a person can check."""

from __future__ import annotations

from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from glasnost.core.protocols.directory import Asked, Directory, Effect, Offered
from glasnost.core.protocols.record_rules import LEASE
from glasnost.core.protocols.writes import Answer, NotWritten, Stored, Write, Written
from glasnost.core.wire.messages import (
    Failed,
    Found,
    Lookup,
    Message,
    Published,
    Renew,
    Withdraw,
    decode_record,
)
from tests.core.protocols.directory_records import DOMAIN, name_of, record

SHORTS = ["a.n1", "b.n1", "a.n2", "b.n2"]


class AnySequence(RuleBasedStateMachine):
    """The model: what was last taken, and until when."""

    @initialize()
    def begin(self) -> None:
        self.core = Directory(DOMAIN)
        self.now = 1000.0
        self.until: dict[str, float] = {}
        self.sequence: dict[str, int] = {}
        self.disk: dict[str, Stored] = {}
        self.writing: Write | None = None
        self.ends: Counter[str] = Counter()  # how often each name was ended
        self.offers: dict[int, tuple[str, int, int]] = {}  # name, sequence, ends; by id
        self.number = 0

    def carry_out(self, effects: list[Effect]) -> list[Message]:
        answers = []
        for effect in effects:
            match effect:
                case Write():
                    assert self.writing is None, "one write at a time"
                    self.writing = effect
                case Answer(_, message):
                    answers.append(message)
                    self.check_durable(message)
        return answers

    def check_durable(self, message: Message) -> None:
        """An acknowledged record is on the disk, or a newer one, or it was ended since."""
        if not isinstance(message, Published):
            return
        name, sequence, ends = self.offers[message.id]
        if message.refused == ("",) and self.ends[name] == ends:
            assert decode_record(self.disk[name].signed.payload).sequence >= sequence

    def forget_ended(self) -> None:
        for name, until in list(self.until.items()):
            if until <= self.now:
                self.end(name)

    def end(self, name: str) -> None:
        self.until.pop(name, None)
        self.sequence.pop(name, None)
        self.ends[name] += 1

    @rule(short=st.sampled_from(SHORTS), sequence=st.integers(1, 4), left=st.integers(1, 100))
    def publish(self, short: str, sequence: int, left: int) -> None:
        offered = record(short, sequence, not_after=int(self.now) + left)
        name, node = offered.record.name, short.partition(".")[2]
        self.number += 1
        self.offers[self.number] = name, sequence, self.ends[name]
        if sequence > self.sequence.get(name, 0):
            self.sequence[name] = sequence
            self.until[name] = min(self.now + LEASE, offered.record.not_after)
        elif (kept := self.core.table.get(name, self.now)) and kept.signed == offered.signed:
            self.until[name] = min(self.now + LEASE, offered.record.not_after)
        self.carry_out(self.core.handle(Offered("p", node, self.number, (offered,)), self.now))

    @rule(short=st.sampled_from(SHORTS))
    def renew(self, short: str) -> None:
        name, node = name_of(short), short.partition(".")[2]
        if name in self.until:
            kept = self.core.table.get(name, self.now)
            assert kept is not None
            self.until[name] = min(self.now + LEASE, kept.record.not_after)
        self.carry_out(self.core.handle(Asked("p", node, Renew(names=(name,))), self.now))

    @rule(short=st.sampled_from(SHORTS))
    def withdraw(self, short: str) -> None:
        name, node = name_of(short), short.partition(".")[2]
        self.end(name)
        self.carry_out(self.core.handle(Asked("p", node, Withdraw(names=(name,))), self.now))

    @rule(works=st.booleans())
    def end_write(self, works: bool) -> None:
        if self.writing is None:
            return
        write, self.writing = self.writing, None
        if works:
            self.disk |= write.puts
            for name in write.deletes:
                self.disk.pop(name, None)
        event = Written() if works else NotWritten("the disk is full")
        self.carry_out(self.core.handle(event, self.now))

    @rule(seconds=st.floats(0, 70))
    def wait(self, seconds: float) -> None:
        """As the driver does: tick at each deadline on the way."""
        end = self.now + seconds
        while (at := self.core.deadline()) is not None and at <= end:
            self.now = max(self.now, at)
            self.forget_ended()
            self.carry_out(self.core.tick(self.now))
            after = self.core.deadline()
            assert after is None or after > at, "a tick does what was due"
        self.now = end

    @invariant()
    def what_is_found_is_what_was_taken_and_has_not_ended(self) -> None:
        for short in SHORTS:
            asked = Asked("p", "", Lookup(name=name_of(short)))
            (found,) = self.carry_out(self.core.handle(asked, self.now))
            if name_of(short) in self.until:
                assert isinstance(found, Found)
                assert found.record is not None
                sequence = decode_record(found.record.payload).sequence
                assert sequence == self.sequence[name_of(short)]
            else:
                assert isinstance(found, Failed)
        assert self.core.deadline() is None or len(self.core.table) or self.writing is None


TestAnySequence = AnySequence.TestCase
TestAnySequence.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
