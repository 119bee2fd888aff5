"""Wall clocks that jump: leases count a clock that is never set, a record's own end the wall's."""

from __future__ import annotations

import pytest

from glasnost.core.protocols.directory import Asked, Directory, Effect, Event, Offered, Restored
from glasnost.core.protocols.record_table import Verified
from glasnost.core.protocols.writes import Answer, Write, Written
from glasnost.core.wire.messages import (
    Failed,
    Found,
    Lookup,
    Message,
    Published,
    Renew,
    Renewed,
)
from tests.core.protocols.directory_records import DOMAIN, name_of, record

HOUR = 3600.0
DAY = 24 * HOUR
#: The wall's time when the steady clock is at 0.
BEGIN = 1_700_000_000.0


class Set:
    """A directory whose wall clock was set by ``ahead`` seconds, back or forth."""

    def __init__(self) -> None:
        self.core = Directory(DOMAIN)
        self.ahead = 0.0

    def handle(self, event: Event, now: float) -> list[Effect]:
        return self.core.handle(event, now, BEGIN + now + self.ahead)

    def publish(self, offered: Verified, now: float) -> Message:
        (write,) = self.handle(Offered("peer", "n1", 1, (offered,)), now)
        assert isinstance(write, Write)
        (answer,) = self.handle(Written(), now)
        assert isinstance(answer, Answer)
        return answer.message

    def ask(self, message: Renew | Lookup, now: float) -> Message:
        (answer,) = self.handle(Asked("peer", "n1", message), now)
        assert isinstance(answer, Answer)
        return answer.message

    def lookup(self, now: float) -> Message:
        return self.ask(Lookup(name=name_of("web.n1")), now)

    def renew(self, now: float) -> Message:
        return self.ask(Renew(names=(name_of("web.n1"),)), now)


def a_days() -> Verified:
    return record(not_after=int(BEGIN + DAY))


@pytest.mark.parametrize("ahead", [5 * HOUR, -5 * HOUR, 400 * DAY, -400 * DAY])
def test_no_lease_ends_by_setting_the_clock(ahead: float) -> None:
    directory = Set()
    directory.publish(a_days(), now=0)
    directory.ahead = ahead
    assert directory.lookup(now=59.9) == Found(record=a_days().signed, age=59.9)
    assert directory.core.deadline() == 60
    assert isinstance(directory.lookup(now=60), Failed)


@pytest.mark.parametrize("ahead", [5 * HOUR, -5 * HOUR])
def test_renewals_go_on_whatever_the_hour(ahead: float) -> None:
    directory = Set()
    directory.publish(a_days(), now=0)
    directory.ahead = ahead
    assert directory.renew(now=20) == Renewed(lease=60)
    assert directory.core.deadline() == 80
    assert isinstance(directory.lookup(now=79), Found)


def test_a_clock_that_is_put_right_within_a_lease_has_cost_nothing() -> None:
    """A jump past the records' own end: they cannot be renewed meanwhile, and are not dropped."""
    directory = Set()
    directory.publish(a_days(), now=0)
    directory.ahead = 2 * DAY
    assert directory.renew(now=20) == Renewed(lease=60, unknown=(name_of("web.n1"),))
    refused = directory.handle(Offered("peer", "n1", 2, (a_days(),)), 21)
    assert refused == [
        Answer(
            "peer",
            Published(
                id=2,
                lease=60,
                refused=(f"expired: the record of '{name_of('web.n1')}' has expired",),
            ),
        )
    ]
    assert isinstance(directory.lookup(now=40), Found)
    directory.ahead = 0.0
    assert directory.renew(now=40) == Renewed(lease=60)
    assert isinstance(directory.lookup(now=99), Found)


def test_a_records_own_end_is_the_walls() -> None:
    directory = Set()
    directory.publish(record(not_after=int(BEGIN + 130)), now=100)
    assert isinstance(directory.lookup(now=129), Found)
    assert isinstance(directory.lookup(now=130), Failed)


def test_what_a_store_kept_is_as_old_as_the_wall_says_and_never_younger_than_nothing() -> None:
    directory = Set()
    kept, ahead = (
        record("a.n1", not_after=int(BEGIN + DAY)),
        record("b.n1", not_after=int(BEGIN + DAY)),
    )
    published = ((kept, BEGIN - 100), (ahead, BEGIN + 5 * HOUR))
    directory.handle(Restored(published), 7)
    ages = []
    for each in (kept, ahead):
        found = directory.ask(Lookup(name=each.record.name), 10)
        assert isinstance(found, Found)
        ages.append(found.age)
    assert ages == [110, 3]  # 100 before BEGIN, and now it is 10 after it
    assert directory.core.deadline() == 67


@pytest.mark.parametrize(("hours", "refused"), [(5, ""), (0, "stale")])
def test_an_owner_whose_clock_was_ahead_is_believed_again_at_once(hours: int, refused: str) -> None:
    """It was started again since, and counts from a clock that is right now."""
    directory = Set()
    future = int((BEGIN + hours * HOUR) * 1_000_000)
    directory.publish(record(sequence=future, not_after=int(BEGIN + 2 * DAY)), now=0)
    again = record(sequence=future - 1, not_after=int(BEGIN + DAY))
    (effect,) = directory.handle(Offered("p", "n1", 2, (again,)), 1)
    if isinstance(effect, Write):
        (effect,) = directory.handle(Written(), 1)
    assert isinstance(effect, Answer) and isinstance(effect.message, Published)
    assert [why.partition(":")[0] for why in effect.message.refused] == [refused]


def test_the_store_is_told_the_walls_time() -> None:
    directory = Set()
    (write,) = directory.handle(Offered("peer", "n1", 1, (a_days(),)), 5)
    assert isinstance(write, Write)
    assert [stored.at for stored in write.puts.values()] == [BEGIN + 5]
