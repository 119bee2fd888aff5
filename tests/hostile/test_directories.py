"""Directories that lie: what is not rightly signed is nobody's, and no listing goes on for ever."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from glasnost.core.wire.messages import (
    Changes,
    Found,
    List,
    Listing,
    Lookup,
    Message,
    Record,
    Signed,
    Watch,
    encode_record,
)
from glasnost.errors import Unavailable
from glasnost.roles import directory_client
from glasnost.roles.agent import lookups as module
from glasnost.roles.agent.lookups import Lookups
from glasnost.trust.records import Verifier, sign_record
from tests.net.pairs import descriptors, until
from tests.roles.directory_lab import ADDRESS, Site, full, signed
from tests.roles.test_directory_client import Odd
from tests.trust.pool import Node, Pool, lab, node7, node8

WEB = full("web.node7")


def of(name: str, by: Node, sequence: int = 1, lasts: float = 3600.0) -> Signed:
    until = int(time.time() + lasts)
    return sign_record(Record(name, ADDRESS, sequence=sequence, not_after=until), by.key, by.cert)


STRANGER = Pool(time.time()).node("node7")
GOOD = of(WEB, node7(), 5)
LIES = {
    "forged": msgspec.structs.replace(GOOD, payload=GOOD.payload + b"x"),
    "another pool's": of(WEB, STRANGER, 9),
    "another node's": of(WEB, node8(), 9),
    "another certificate": msgspec.structs.replace(
        of(WEB, STRANGER, 9), certificate=GOOD.certificate
    ),
    "expired": of(WEB, node7(), 9, lasts=-10),
    "no record": Signed(b"\xc1", b"", b""),
    "older": of(WEB, node7(), 4),
    "another name's": of(full("db.node7"), node7(), 9),
}


@asynccontextmanager
async def lying(answer: Callable[[Message], Message | None]) -> AsyncIterator[Lookups]:
    """What an agent asks, at a directory that answers so; in the end nothing is open."""
    before = descriptors()
    site = Site()
    site.server = Odd(answer)
    client = site.client()
    yield Lookups([client], Verifier(lab().root, lab().domain), time.time)
    client.close()
    await site.stop()
    await until(lambda: descriptors() == before)


def play(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(scenario, 60))


@pytest.mark.parametrize("lie", LIES)
def test_what_was_true_stays_so_whatever_is_said_next(lie: str) -> None:
    said = [GOOD, LIES[lie]]

    def answer(asked: Message) -> Message:
        assert isinstance(asked, Lookup)
        return Found(asked.id, said.pop(0), 1.0)

    async def scenario() -> None:
        async with lying(answer) as lookups:
            assert (await lookups.lookup(WEB)).signed == GOOD
            assert (await lookups.lookup(WEB)).signed == GOOD, "as while it is away"

    play(scenario())


@pytest.mark.parametrize("lie", [name for name in LIES if name not in ("older", "another name's")])
def test_a_listing_and_a_watch_leave_out_what_does_not_hold(lie: str) -> None:
    other = signed("db.node8")

    def answer(asked: Message) -> Message:
        records, ages = (LIES[lie], other), (1.0, 2.0)
        if isinstance(asked, Watch):
            return Changes(asked.id, log="x", records=records, ages=ages)
        return Listing(asked.id, records, ages)

    async def scenario() -> None:
        async with lying(answer) as lookups:
            assert [one.signed for one in await lookups.all("*")] == [other]
            page = await lookups.page(List(limit=10))
            assert (page.records, page.ages) == ((other,), (2.0,))
            changes = await lookups.changes(Watch())
            assert (changes.records, changes.ages) == ((other,), (2.0,))

    play(scenario())


def names() -> Callable[[], str]:
    """Always a later one."""
    count = itertools.count()
    return lambda: full(f"s{next(count):09}.node7")


def test_a_listing_of_forgeries_without_end_is_left_in_the_end() -> None:
    name, asked = names(), []

    def answer(question: Message) -> Message:
        asked.append(question)
        forged = Signed(encode_record(Record(name(), ADDRESS)), b"", b"")
        return Listing(question.id, (forged,), (0.0,), more=True)

    async def scenario() -> None:
        async with lying(answer) as lookups:
            with pytest.raises(Unavailable, match="nothing that holds"):
                await lookups.page(List(limit=10))
            assert len(asked) == module.MAX_BARREN

    play(scenario())


def test_a_listing_that_would_fill_the_memory_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directory_client, "MAX_LISTED", 3_000_000)
    name, asked = names(), []

    def answer(question: Message) -> Message:
        asked.append(question)
        large = Signed(encode_record(Record(name(), ADDRESS)), b"s" * 900_000, b"")
        return Listing(question.id, (large,), (0.0,), more=True)

    async def scenario() -> None:
        async with lying(answer) as lookups:
            with pytest.raises(Unavailable, match="more than 3000000 bytes"):
                await lookups.all("*")
            assert len(asked) == 4

    play(scenario())
