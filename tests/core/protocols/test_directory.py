"""Scenarios of a directory, with exact times."""

from __future__ import annotations

import string
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glasnost.core.protocols import record_rules, writes
from glasnost.core.protocols.directory import (
    Asked,
    Directory,
    Effect,
    Offered,
    Restored,
    Searching,
)
from glasnost.core.protocols.record_rules import LEASE, MAX_PAGE, MAX_RECORDS
from glasnost.core.protocols.record_table import Verified
from glasnost.core.protocols.writes import RETRY, Answer, NotWritten, Stored, Write, Written
from glasnost.core.routes import Traits
from glasnost.core.wire.frames import MAX_FRAME
from glasnost.core.wire.messages import (
    Done,
    Failed,
    Found,
    List,
    Listing,
    Lookup,
    Message,
    Publish,
    Published,
    Renew,
    Renewed,
    Signed,
    Withdraw,
    decode_record,
    encode,
)
from tests.core.protocols.directory_records import DOMAIN, name_of, record


class Settled:
    """A directory whose store works at once, so that a scenario reads as questions and answers."""

    def __init__(
        self, *, max_records: int = MAX_RECORDS, kinds: Mapping[str, Traits] | None = None
    ) -> None:
        self.core = Directory(DOMAIN, max_records=max_records, kinds=kinds or {})
        self.stored: dict[str, Stored] = {}

    def publish(self, *records: Verified | str, node: str = "n1", now: float = 0) -> Message:
        return self.answer(self.core.handle(Offered("peer", node, 7, records), now), now)

    def ask(
        self, message: Renew | Withdraw | Lookup | List, *, node: str = "n1", now: float = 0
    ) -> Message:
        return self.answer(self.core.handle(Asked("peer", node, message), now), now)

    def lookup(self, short: str, now: float) -> Message:
        return self.ask(Lookup(id=3, name=name_of(short)), now=now)

    def tick(self, now: float) -> None:
        self.settle(self.core.tick(now), now)

    def answer(self, effects: list[Effect], now: float) -> Message:
        (answer,) = self.settle(effects, now)
        assert answer.peer == "peer"
        return answer.message

    def settle(self, effects: list[Effect], now: float) -> list[Answer]:
        answers = []
        while effects:
            effect = effects.pop(0)
            if isinstance(effect, Answer):
                answers.append(effect)
            elif isinstance(effect, Searching):
                effects += self.core.handle(effect, now)
            else:
                self.stored |= effect.puts
                for name in effect.deletes:
                    self.stored.pop(name, None)
                effects += self.core.handle(Written(), now)
        return answers


def codes(message: Message) -> list[str]:
    assert isinstance(message, Published)
    return [why.partition(":")[0] for why in message.refused]


# --- leases ---------------------------------------------------------------------------------------


def test_what_is_published_is_found_with_its_age() -> None:
    directory = Settled()
    assert directory.publish(record(), now=100) == Published(id=7, lease=60, refused=("",))
    assert directory.lookup("web.n1", now=112) == Found(id=3, record=record().signed, age=12)


def test_a_name_is_kept_for_a_lease_and_not_a_moment_longer() -> None:
    directory = Settled()
    directory.publish(record(), now=100)
    assert directory.core.deadline() == 160
    assert isinstance(directory.lookup("web.n1", now=159.9), Found)
    assert directory.lookup("web.n1", now=160) == Failed(
        id=3, code="unknown-name", why="no record of 'web.n1.lab.glasnost.internal' is kept here"
    )


def test_what_ended_leaves_the_store_too() -> None:
    directory = Settled()
    directory.publish(record("a.n1"), record("b.n1"), now=100)
    directory.ask(Renew(names=(name_of("b.n1"),)), now=130)
    assert directory.core.deadline() == 160
    directory.tick(now=160)
    assert list(directory.stored) == [name_of("b.n1")]
    assert directory.core.deadline() == 190


def test_two_renewals_may_be_lost() -> None:
    directory = Settled()
    directory.publish(record(), now=0)
    renewed = directory.ask(Renew(id=4, names=(name_of("web.n1"),)), now=59.9)
    assert renewed == Renewed(id=4, lease=60)
    assert isinstance(directory.lookup("web.n1", now=119), Found)


def test_a_renewal_needs_no_write() -> None:
    directory = Settled()
    directory.publish(record(), now=0)
    effects = directory.core.handle(Asked(1, "n1", Renew(names=(name_of("web.n1"),))), 20)
    assert effects == [Answer(1, Renewed(lease=60))]


def test_a_lease_does_not_pass_the_records_own_end() -> None:
    directory = Settled()
    directory.publish(record(not_after=130), now=100)
    assert directory.core.deadline() == 130
    directory.ask(Renew(names=(name_of("web.n1"),)), now=120)
    assert directory.core.deadline() == 130
    assert isinstance(directory.lookup("web.n1", now=130), Failed)


def test_renewing_what_is_not_there_says_so() -> None:
    directory = Settled()
    directory.publish(record("a.n1"))
    names = (name_of("a.n1"), name_of("b.n1"))
    assert directory.ask(Renew(names=names)) == Renewed(lease=60, unknown=(name_of("b.n1"),))


def test_renewing_something_newer_than_what_is_there_says_so() -> None:
    """A directory may come back with an old copy of its store."""
    directory = Settled()
    directory.publish(record("a.n1", 5), record("b.n1", 5), record("c.n1", 5), now=0)
    names = tuple(map(name_of, ("a.n1", "b.n1", "c.n1")))
    renew = Renew(names=names, sequences=(5, 6))  # of the last one nothing is said
    assert directory.ask(renew, now=30) == Renewed(lease=60, unknown=(names[1],))
    assert isinstance(directory.lookup("b.n1", now=59), Found), "better than nothing, for its lease"
    assert isinstance(directory.lookup("b.n1", now=60), Failed)
    assert isinstance(directory.lookup("a.n1", now=89), Found)


def test_a_shorter_end_of_a_newer_record_counts() -> None:
    directory = Settled()
    directory.publish(record(sequence=1), now=0)
    directory.publish(record(sequence=2, not_after=10), now=5)
    assert directory.core.deadline() == 10
    directory.publish(record(sequence=3), now=6)
    assert directory.core.deadline() == 66


def test_a_clock_set_back_makes_no_negative_age() -> None:
    directory = Settled()
    directory.publish(record(), now=100)
    found = directory.lookup("web.n1", now=90)
    assert isinstance(found, Found)
    assert found.age == 0


# --- sequence -------------------------------------------------------------------------------------

SEQUENCES = [
    # name                          kept, offered                                     refused
    ("a newer one replaces", record(sequence=5), record(sequence=6), ""),
    ("an older one is stale", record(sequence=5), record(sequence=4), "stale"),
    (
        "another with the same number is stale",
        record(sequence=5),
        record(sequence=5, labels={"a": "b"}),
        "stale",
    ),
    ("the same again renews", record(sequence=5), record(sequence=5), ""),
    (
        "the same with a newer proof",
        record(sequence=5),
        record(sequence=5, proof=b"newer"),
        "",
    ),
]


@pytest.mark.parametrize("name, kept, offered, refused", SEQUENCES, ids=[c[0] for c in SEQUENCES])
def test_sequence(name: str, kept: Verified, offered: Verified, refused: str) -> None:
    directory = Settled()
    directory.publish(kept, now=0)
    assert codes(directory.publish(offered, now=20)) == [refused]
    now_there = kept if refused else offered
    age = 30 if refused else 10
    expected = Found(id=3, record=now_there.signed, age=age)
    assert directory.lookup("web.n1", now=30) == expected
    assert directory.stored[name_of("web.n1")].signed == now_there.signed


def test_a_stale_record_is_told_what_it_must_exceed() -> None:
    directory = Settled()
    directory.publish(record(sequence=5))
    answer = directory.publish(record(sequence=4))
    assert answer == Published(id=7, lease=60, refused=("stale: sequence 4 is not above 5",))


# --- who may --------------------------------------------------------------------------------------


@pytest.mark.parametrize("short", ["web.n2", "web.n11", "a.b.n1", "n1", ".n1"])
def test_a_node_publishes_renews_and_withdraws_only_names_one_label_below_its_own(
    short: str,
) -> None:
    directory = Settled()
    directory.publish(record("web.n2"), node="n2")
    assert codes(directory.publish(record(short))) == ["denied"]
    for question in (Renew(names=(name_of(short),)), Withdraw(names=(name_of(short),))):
        answer = directory.ask(question, now=10)
        assert isinstance(answer, Failed)
        assert answer.code == "denied"
    assert directory.lookup("web.n2", now=10) == Found(id=3, record=record("web.n2").signed, age=10)


def test_one_foreign_name_refuses_the_whole_withdrawal() -> None:
    directory = Settled()
    directory.publish(record("a.n1"))
    answer = directory.ask(Withdraw(names=(name_of("a.n1"), name_of("a.n2"))))
    assert isinstance(answer, Failed)
    assert isinstance(directory.lookup("a.n1", now=1), Found)


@pytest.mark.parametrize("question", [Renew(names=()), Withdraw(names=())])
def test_who_is_no_node_only_reads(question: Renew | Withdraw) -> None:
    directory = Settled()
    directory.publish(record())
    for answer in (directory.ask(question, node=""), directory.publish(record(), node="")):
        assert isinstance(answer, Failed)
        assert answer.code == "denied"
    assert isinstance(directory.ask(Lookup(name=name_of("web.n1")), node=""), Found)
    assert isinstance(directory.ask(List(), node=""), Listing)


def test_withdrawn_is_gone_at_once() -> None:
    directory = Settled()
    directory.publish(record())
    names = (name_of("web.n1"), name_of("never.n1"))
    assert directory.ask(Withdraw(id=5, names=names), now=1) == Done(id=5)
    assert isinstance(directory.lookup("web.n1", now=1), Failed)
    assert directory.stored == {}
    assert directory.core.deadline() is None
    assert directory.core.table.nodes == 0


def test_a_record_that_could_not_be_believed_does_not_spoil_its_neighbours() -> None:
    directory = Settled()
    answer = directory.publish(record("a.n1"), "untrusted: not signed", record("b.n1"))
    assert answer == Published(id=7, lease=60, refused=("", "untrusted: not signed", ""))


# --- limits ---------------------------------------------------------------------------------------

REFUSALS = [
    # name                 record                                               refused
    ("payload", record(labels={"x": "y" * 9000}), "too-large"),
    ("proof", record(proof=b"p" * 2001), "too-large"),
    ("17 labels", record(labels={f"l{n}": "" for n in range(17)}), "too-large"),
    ("long key", record(labels={"k" * 65: ""}), "too-large"),
    ("long value", record(labels={"k": "v" * 65}), "too-large"),
    ("much reach", record(reach=("ip4@public",) * 65), "too-large"),
    ("no address", record(address=""), "bad-address"),
    ("no sense", record(address="ip4::"), "bad-address"),
    ("33 routes", record(address=",".join(["ip4:192.0.2.1:9618"] * 33)), "bad-address"),
    ("bad reach", record(reach=("everywhere",)), "bad-address"),
    ("past its end", record(not_after=50), "expired"),
    ("16 labels", record(labels={f"l{n}": "v" * 64 for n in range(16)}), ""),
    ("unknown kind", record(address="public/carrier-pigeon:7/service:queue"), ""),
    ("no reach", record(reach=()), ""),
]


@pytest.mark.parametrize("name, offered, refused", REFUSALS, ids=[case[0] for case in REFUSALS])
def test_limits(name: str, offered: Verified, refused: str) -> None:
    directory = Settled()
    answer = directory.publish(offered, now=50)
    assert codes(answer) == [refused]
    assert len(directory.stored) == (0 if refused else 1)
    assert isinstance(answer, Published)
    assert answer.refused[0].isprintable()
    assert len(answer.refused[0]) < 400


def test_a_node_has_its_quota_and_may_still_change_what_it_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("glasnost.core.protocols.directory.RECORDS_PER_NODE", 2)
    directory = Settled()
    three = [record(f"s{n}.n1") for n in range(3)]
    assert codes(directory.publish(*three)) == ["", "", "quota"]
    assert codes(directory.publish(record("s0.n1", sequence=2))) == [""]
    assert codes(directory.publish(record("s0.n2"), node="n2")) == [""]
    directory.ask(Withdraw(names=(name_of("s1.n1"),)))
    assert codes(directory.publish(three[2])) == [""]


def test_a_full_directory_says_so() -> None:
    directory = Settled(max_records=1)
    assert codes(directory.publish(record("a.n1"), record("b.n1"))) == ["", "full"]


def test_too_many_names_are_refused() -> None:
    answer = Settled().ask(Renew(names=("x",) * 1001))
    assert isinstance(answer, Failed)
    assert answer.code == "too-large"


def test_a_text_from_a_peer_is_tame_in_a_sentence() -> None:
    answer = Settled().ask(Lookup(name="\x1b[2J" + "é" * 1000))
    assert isinstance(answer, Failed)
    assert answer.why.isascii()
    assert answer.why.isprintable()
    assert len(answer.why) < 700


def test_the_largest_messages_fit_into_a_frame() -> None:
    largest = Signed(b"p" * record_rules.MAX_PAYLOAD, b"s" * 1000, b"c" * 1000)
    assert record_rules.MAX_PROOF == 2000
    for message in (
        Publish(id=2**63, records=(largest,) * MAX_PAGE),
        Listing(id=2**63, records=(largest,) * MAX_PAGE, ages=(1.5,) * MAX_PAGE, more=True),
        Withdraw(id=2**63, names=("n" * 253,) * record_rules.MAX_NAMES),
    ):
        assert len(encode(message)) <= MAX_FRAME


# --- listing --------------------------------------------------------------------------------------


def listed(
    directory: Settled, glob: str = "*", limit: int = 100, now: float = 0
) -> list[list[str]]:
    """The names on each page."""
    pages, after, more = [], "", True
    while more:
        page = directory.ask(List(glob=glob, after=after, limit=limit), now=now)
        assert isinstance(page, Listing)
        assert len(page.ages) == len(page.records)
        names = [decode_record(signed.payload).name for signed in page.records]
        pages.append([name.removesuffix(f".{DOMAIN}") for name in names])
        after, more = (names[-1] if names else ""), page.more
    return pages


GLOBS = [
    # glob                                     names
    ("*", ["db.n1", "web.n1", "web.n2", "web2.n1"]),
    ("web.*", ["web.n1", "web.n2"]),
    ("web?.*", ["web2.n1"]),
    (f"*.n1.{DOMAIN}", ["db.n1", "web.n1", "web2.n1"]),
    (f"web.n1.{DOMAIN}", ["web.n1"]),
    ("[dw]?*.n1.*", ["db.n1", "web.n1", "web2.n1"]),
    ("web", []),
    ("", []),
    ("zz*", []),
]


@pytest.mark.parametrize("glob, names", GLOBS)
@pytest.mark.parametrize("limit", [1, 2, 100])
def test_globs(glob: str, names: list[str], limit: int) -> None:
    directory = Settled()
    directory.publish(record("web.n1"), record("db.n1"), record("web2.n1"))
    directory.publish(record("web.n2"), node="n2")
    pages = listed(directory, glob, limit)
    assert [name for page in pages for name in page] == names
    assert all(len(page) <= limit for page in pages)


def test_a_page_says_whether_more_follow_and_how_old_each_is() -> None:
    directory = Settled()
    directory.publish(record("a.n1"), now=0)
    directory.publish(record("b.n1"), now=10)
    first = directory.ask(List(id=1, limit=1), now=20)
    assert first == Listing(id=1, records=(record("a.n1").signed,), ages=(20,), more=True)
    rest = directory.ask(List(id=2, after=name_of("a.n1"), limit=1), now=20)
    assert rest == Listing(id=2, records=(record("b.n1").signed,), ages=(10,), more=False)


@pytest.mark.parametrize("limit", [0, -5, 10**9])
def test_a_page_has_at_least_one_record_and_at_most_a_hundred(limit: int) -> None:
    directory = Settled()
    directory.publish(*(record(f"s{n}.n1") for n in range(MAX_PAGE)))
    directory.publish(record("last.n1"))
    assert {len(page) for page in listed(directory, limit=limit)} <= {1, MAX_PAGE}


def test_a_glob_is_bounded() -> None:
    answer = Settled().ask(List(glob="*a" * 200))
    assert isinstance(answer, Failed)
    assert answer.code == "too-large"


@given(st.text(st.sampled_from("abn1.*?[]!-^&|~\\") | st.characters(), max_size=60))
def test_any_glob_is_answered(glob: str) -> None:
    directory = Settled()
    directory.publish(record("a.n1"), record("b.n1"))
    assert isinstance(directory.ask(List(glob=glob)), Listing)


@given(
    st.sets(st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=3), max_size=30),
    st.integers(1, 7),
)
def test_pages_give_each_name_once_and_in_order(services: set[str], limit: int) -> None:
    directory = Settled()
    for service in services:
        directory.publish(record(f"{service}.n1"))
    names = [name for page in listed(directory, limit=limit) for name in page]
    assert names == sorted(f"{service}.n1" for service in services)


# --- durability -----------------------------------------------------------------------------------


def test_acknowledgements_leave_after_the_write_and_the_next_group_gathers_meanwhile() -> None:
    core = Directory(DOMAIN)
    a, b, c = (record(f"{short}.n1") for short in "abc")
    (write,) = core.handle(Offered("p1", "n1", 1, (a,)), 0)
    assert write == Write({a.record.name: Stored(a.signed, 0)}, ())
    assert core.handle(Offered("p2", "n1", 2, (b,)), 1) == []
    assert core.handle(Offered("p3", "n1", 3, (c,)), 2) == []
    assert core.waiting == 3

    first, second = core.handle(Written(), 3)
    assert first == Answer("p1", Published(id=1, lease=60, refused=("",)))
    assert second == Write(
        {b.record.name: Stored(b.signed, 1), c.record.name: Stored(c.signed, 2)}, ()
    )
    assert [answer.peer for answer in core.handle(Written(), 4) if isinstance(answer, Answer)] == [
        "p2",
        "p3",
    ]
    assert core.waiting == 0


def test_a_question_that_changes_nothing_waits_for_nothing() -> None:
    core = Directory(DOMAIN)
    core.handle(Offered("p1", "n1", 1, (record("a.n1"),)), 0)
    refused = core.handle(Offered("p2", "n1", 2, ("untrusted: no",)), 0)
    assert refused == [Answer("p2", Published(id=2, lease=60, refused=("untrusted: no",)))]


@pytest.mark.parametrize(
    "again",
    [
        Offered("p2", "n1", 2, (record(),)),
        Asked("p2", "n1", Renew(names=(name_of("web.n1"),))),
        Asked("p2", "n1", Withdraw(names=(name_of("web.n1"),))),
    ],
    ids=["published again", "renewed", "withdrawn"],
)
def test_no_answer_vouches_for_a_record_that_is_still_being_written(again: Offered | Asked) -> None:
    core = Directory(DOMAIN)
    core.handle(Offered("p1", "n1", 1, (record(),)), 0)
    assert core.handle(again, 1) == []


def test_withdrawn_while_it_is_written_is_deleted_by_the_next_write() -> None:
    core = Directory(DOMAIN)
    core.handle(Offered("p1", "n1", 1, (record(),)), 0)
    assert core.handle(Asked("p2", "n1", Withdraw(id=2, names=(name_of("web.n1"),))), 1) == []
    _, write = core.handle(Written(), 2)
    assert write == Write({}, (name_of("web.n1"),))
    assert core.handle(Written(), 3) == [Answer("p2", Done(id=2))]


def test_a_failed_write_is_told_and_tried_again_with_what_came_since() -> None:
    core = Directory(DOMAIN)
    a, b = record("a.n1"), record("b.n1")
    core.handle(Offered("p1", "n1", 1, (a,)), 0)
    core.handle(Offered("p2", "n1", 2, (b,)), 0)
    failed = core.handle(NotWritten("the disk is full"), 5)
    assert failed == [Answer("p1", Failed(id=1, code="unavailable", why="the disk is full"))]
    assert core.deadline() == 5 + RETRY

    # The one who was refused comes back, before the store does: nothing vouches for it yet.
    assert core.handle(Offered("p1", "n1", 3, (a,)), 5.5) == []
    (write,) = core.tick(5 + RETRY)
    assert isinstance(write, Write)
    assert set(write.puts) == {a.record.name, b.record.name}
    answers = core.handle(Written(), 7)
    assert [(x.peer, x.message.id) for x in answers if isinstance(x, Answer)] == [
        ("p2", 2),
        ("p1", 3),
    ]
    assert core.deadline() == LEASE


def test_what_came_during_a_failed_write_is_newer_than_it() -> None:
    core = Directory(DOMAIN)
    older, newer = record(sequence=1), record(sequence=2)
    core.handle(Offered("p1", "n1", 1, (older,)), 0)
    core.handle(Offered("p1", "n1", 2, (newer,)), 1)
    core.handle(NotWritten("the disk is full"), 2)
    assert core.tick(2 + RETRY) == [Write({newer.record.name: Stored(newer.signed, 1)}, ())]


def test_a_store_that_has_begun_anew_is_given_everything_again() -> None:
    core = Directory(DOMAIN)
    a, b, gone = record("a.n1"), record("b.n1"), record("c.n1")
    core.handle(Offered("p1", "n1", 1, (a, gone)), 0)
    core.handle(Written(), 0)
    core.handle(Asked("p1", "n1", Withdraw(names=(gone.record.name,))), 10)
    core.handle(Offered("p2", "n1", 2, (b,)), 10)
    (refused,) = core.handle(NotWritten("it was damaged", emptied=True), 12)
    assert isinstance(refused, Answer) and isinstance(refused.message, Failed)
    (write,) = core.tick(12 + RETRY)
    assert isinstance(write, Write)
    assert write.puts == {a.record.name: Stored(a.signed, 0), b.record.name: Stored(b.signed, 10)}
    assert write.deletes == (gone.record.name,)


def test_a_stuck_store_makes_nobody_wait_without_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writes, "MAX_WAITING", 2)
    core = Directory(DOMAIN)
    for number in range(2):
        assert not any(
            isinstance(effect, Answer)
            for effect in core.handle(Offered(number, "n1", 1, (record(),)), 0)
        )
    renew = Asked("p", "n1", Renew(id=4, names=(name_of("web.n1"),)))
    for event, code in ((Offered("p", "n1", 3, (record(),)), "busy"), (renew, "unavailable")):
        (answer,) = core.handle(event, 1)
        assert isinstance(answer, Answer)
        assert isinstance(answer.message, Failed)
        assert answer.message.code == code


def test_one_nodes_flood_leaves_the_disk_to_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writes, "WAITING_PER_NODE", 3)
    core = Directory(DOMAIN)
    flood = [core.handle(Offered("p", "n1", id, (record(),)), 0) for id in range(5)]
    assert [len(effects) for effects in flood] == [1, 0, 0, 1, 1]
    why = "3 questions of n1 wait for the disk; try again"
    assert flood[4] == [Answer("p", Failed(id=4, code="busy", why=why))]
    assert core.handle(Offered("q", "n2", 7, (record("web.n2"),)), 0) == []
    *answers, _ = core.handle(Written(), 1)
    assert len(answers) == 3, "the same bytes again wait for the write that has them"
    assert core.handle(Offered("p", "n1", 9, (record("b.n1"),)), 1) == []


def test_restored_records_get_one_lease_and_keep_their_age() -> None:
    core = Directory(DOMAIN)
    good, late = record("a.n1"), record("b.n1", not_after=990)
    effects = core.handle(Restored(((good, 900.0), (late, 900.0)), lost=("c.n1",)), 1000)
    assert effects == [Write({}, ("c.n1",))]
    core.tick(1000)
    assert core.handle(Written(), 1000) == [Write({}, (late.record.name,))]
    core.handle(Written(), 1000)
    (answer,) = core.handle(Asked(1, "", Lookup(name=good.record.name)), 1010)
    assert answer == Answer(1, Found(record=good.signed, age=110))
    assert core.deadline() == 1060
