"""What names mean: only signatures are believed, nothing goes back, and what was seen is good."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from glasnost.core.wire.messages import Found, List, Listing, Record, Signed
from glasnost.errors import Refused, Unavailable, UnknownName
from glasnost.roles.agent import lookups as module
from glasnost.roles.agent.lookups import Lookups
from glasnost.trust.records import Verifier, sign_record
from tests.net.clock import run_fake
from tests.roles.directory_lab import ADDRESS, full
from tests.trust.pool import DAY, Node, Pool, lab, node7, node8

WEB = full("web.node7")


def signed(
    name: str = WEB, *, sequence: int = 1, by: Node | None = None, lasts: float = 3600.0
) -> Signed:
    node = by or node7()
    until = int(time.time() + lasts)
    record = Record(name, ADDRESS, sequence=sequence, not_after=until)
    return sign_record(record, node.key, node.cert)


class Directory:
    """Answers with what it is told to, or raises it; ``gate`` keeps it waiting."""

    def __init__(self, *answers: object, gate: asyncio.Event | None = None) -> None:
        self.answers = list(answers)
        self.gate = gate
        self.asked: list[Any] = []

    async def _answer(self, question: object) -> Any:
        self.asked.append(question)
        if self.gate is not None:
            await self.gate.wait()
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, BaseException):
            raise answer
        return answer

    async def lookup(self, name: str) -> Found:
        answer = await self._answer(name)
        return answer if isinstance(answer, Found) else Found(record=answer, age=3.0)

    async def ask(self, question: List, expected: type[Listing]) -> Listing:
        answer = await self._answer(question)
        assert isinstance(answer, Listing)
        return answer

    async def list_all(self, glob: str) -> list[tuple[Signed, float]]:
        return await self.query(List(glob=glob))

    async def query(self, question: List) -> list[tuple[Signed, float]]:
        answer: list[tuple[Signed, float]] = await self._answer(question)
        return answer


def asking(*directories: Directory, clock: Callable[[], float] = time.time) -> Lookups:
    return Lookups(directories, Verifier(lab().root, lab().domain), clock)  # type: ignore[arg-type]


AWAY = Unavailable("no connection within 5 s")
UNKNOWN = UnknownName("unknown-name", "the directory knows no such name")


def test_the_first_good_answer_is_taken_though_others_fail_or_never_come() -> None:
    async def run() -> None:
        complaints: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, c: complaints.append(c))
        forged = signed(by=Pool(time.time()).node("node7"))
        directories = [
            Directory(AWAY),
            Directory(UNKNOWN),
            Directory(forged),
            Directory(signed(sequence=5)),
            Directory(AWAY),
            Directory(AWAY, gate=asyncio.Event()),
        ]
        answer = await asking(*directories).lookup(WEB)
        assert answer.record.sequence == 5 and answer.age == 3.0
        for _ in range(5):
            await asyncio.sleep(0)
        gc.collect()
        assert not complaints

    asyncio.run(run())


BAD: list[tuple[str, Signed, str]] = [
    ("another pool's", signed(by=Pool(time.time()).node("node7")), "not issued by this pool"),
    ("another node's", signed(by=node8()), "may not speak for"),
    ("another name's", signed(full("db.node7")), "answers web.node7"),
    ("expired", signed(lasts=-10), "has expired"),
    ("changed", msgspec.structs.replace(signed(), payload=signed().payload + b"x"), "not signed"),
]


@pytest.mark.parametrize(("record", "says"), [c[1:] for c in BAD], ids=[c[0] for c in BAD])
def test_what_is_not_rightly_signed_is_no_answer(record: Signed, says: str) -> None:
    with pytest.raises(Unavailable, match=says):
        asyncio.run(asking(Directory(record)).lookup(WEB))


def test_a_name_is_unknown_when_one_says_so_and_none_knows_better() -> None:
    for others in ([], [AWAY]):
        directories = [Directory(UNKNOWN), *map(Directory, others)]
        with pytest.raises(UnknownName):
            asyncio.run(asking(*directories).lookup(WEB))


def test_it_never_goes_back() -> None:
    async def run() -> None:
        old, new = signed(sequence=1), signed(sequence=2)
        one = asking(Directory(new, old, new))
        assert (await one.lookup(WEB)).record.sequence == 2
        # The replayed one is refused; what was seen is still good.
        assert (await one.lookup(WEB)).record.sequence == 2
        assert (await one.lookup(WEB)).record.sequence == 2

    asyncio.run(run())


def test_a_directory_that_replays_loses_against_one_that_does_not() -> None:
    async def run() -> None:
        newest = signed(sequence=3)
        one = asking(Directory(newest, signed(sequence=1)), Directory(AWAY, signed(sequence=4)))
        assert (await one.lookup(WEB)).record.sequence == 3
        assert (await one.lookup(WEB)).record.sequence == 4

    asyncio.run(run())


def test_what_has_expired_binds_nobody() -> None:
    async def run() -> None:
        now = [time.time()]
        one, two = signed(sequence=9, lasts=100), signed(sequence=5, lasts=DAY)
        lookups = asking(Directory(one, two), clock=lambda: now[0])
        await lookups.lookup(WEB)
        now[0] += 200
        assert (await lookups.lookup(WEB)).record.sequence == 5

    asyncio.run(run())


@pytest.mark.parametrize(("hours", "found"), [(5, "right"), (0, "ahead")])
def test_what_was_signed_by_a_clock_that_was_ahead_binds_nobody(hours: int, found: str) -> None:
    """Its owner signs with lower numbers once its clock is right and it was started again."""

    async def run() -> None:
        now = time.time()
        future = int((now + hours * 3600) * 1_000_000)
        ahead, right = signed(sequence=future, lasts=DAY), signed(sequence=future - 1, lasts=DAY)
        lookups = asking(Directory(ahead, right), clock=lambda: now)
        await lookups.lookup(WEB)
        assert (await lookups.lookup(WEB)).signed == {"right": right, "ahead": ahead}[found]

    asyncio.run(run())


def test_while_all_are_away_what_was_seen_is_good_until_it_expires() -> None:
    async def run() -> None:
        now = [time.time()]
        one = asking(Directory(signed(lasts=100), AWAY), clock=lambda: now[0])
        assert (await one.lookup(WEB)).age == 3.0
        await asyncio.sleep(50)
        assert (await one.lookup(WEB)).age == pytest.approx(53.0)
        now[0] -= 200  # the clock is set: it does not say how old anything is
        assert (await one.lookup(WEB)).age == pytest.approx(53.0)
        now[0] += 250
        assert (await one.lookup(WEB)).age == pytest.approx(53.0)
        now[0] += 51
        with pytest.raises(Unavailable, match="no directory answers: no connection within 5 s"):
            await one.lookup(WEB)

    run_fake(run())


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_SEEN", 2)

    async def run() -> None:
        names = [full(f"s{n}.node7") for n in range(3)]
        one = asking(Directory(*[signed(name) for name in names], AWAY))
        for name in names:
            await one.lookup(name)
        with pytest.raises(Unavailable):
            await one.lookup(names[0])
        assert (await one.lookup(names[2])).record.name == names[2]

    asyncio.run(run())


def test_no_directory_at_all() -> None:
    for question in (asking().lookup(WEB), asking().all("*"), asking().page(List())):
        with pytest.raises(Unavailable, match="told of no directory"):
            asyncio.run(question)


# --- listings -------------------------------------------------------------------------------------


def listing(*names: str, more: bool = False, bad: tuple[str, ...] = ()) -> Listing:
    wrong = Pool(time.time()).node("node7") if bad else None
    records = tuple(signed(full(n), by=wrong if n in bad else None) for n in names)
    return Listing(records=records, ages=(1.0,) * len(records), more=more)


def test_a_page_holds_what_is_rightly_signed_of_the_first_that_answers() -> None:
    page = listing("a.node7", "b.node7", "c.node7", more=True, bad=("b.node7",))
    one = asking(Directory(AWAY), Directory(page), Directory(listing("d.node7")))
    got = asyncio.run(one.page(List()))
    assert got.records == (page.records[0], page.records[2]) and got.more and len(got.ages) == 2


def test_a_page_of_nothing_but_forgeries_leads_to_the_next() -> None:
    async def run() -> None:
        bad = listing("a.node7", "b.node7", more=True, bad=("a.node7", "b.node7"))
        directory = Directory(bad, listing("c.node7"))
        got = await asking(directory).page(List(glob="*", limit=2))
        assert len(got.records) == 1 and not got.more
        assert directory.asked[1] == List(glob="*", after=full("b.node7"), limit=2)

    asyncio.run(run())


def test_a_directory_that_goes_round_in_circles_is_left() -> None:
    round_about = listing("a.node7", more=True, bad=("a.node7",))
    with pytest.raises(Unavailable, match="does not get on"):
        asyncio.run(asking(Directory(round_about)).page(List()))
    with pytest.raises(Unavailable, match="does not get on"):
        asyncio.run(asking(Directory(Listing(more=True))).page(List()))


def test_no_more_than_was_asked_for() -> None:
    flood = listing(*[f"s{n}.node7" for n in range(5)])
    got = asyncio.run(asking(Directory(flood)).page(List(limit=2)))
    assert len(got.records) == 2 and got.more


def test_all_records_verified() -> None:
    good, forged = signed(), signed(by=Pool(time.time()).node("node7"))
    one = asking(Directory(Refused("busy", "later")), Directory([(forged, 1.0), (good, 2.0)]))
    [answer] = asyncio.run(one.all("*"))
    assert answer.signed is good and answer.age == 2.0 and answer.record.name == WEB
