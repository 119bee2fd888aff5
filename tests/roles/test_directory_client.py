"""The client's side: one channel kept and renewed, and publishers that keep a directory told."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from functools import partial

import pytest

from glasnost.core.wire.messages import (
    DIRECTORY,
    Codec,
    Done,
    Failed,
    Found,
    Listing,
    Message,
    Published,
    Signed,
)
from glasnost.errors import Unavailable, UnknownName
from glasnost.net.channel import Channel, accept_channel
from glasnost.net.port import Incoming
from glasnost.roles.directory import DirectoryServer
from glasnost.roles.directory_client import DirectoryClient
from glasnost.roles.publisher import Publisher
from tests.roles.directory_lab import Site, full, quiet, served, signed, until


async def has(client: DirectoryClient, short: str) -> bool:
    try:
        return (await client.lookup(full(short))).record is not None
    except UnknownName:
        return False


def test_an_unknown_name_is_an_error_of_its_own() -> None:
    async def scenario() -> None:
        async with served() as (_, client):
            with pytest.raises(UnknownName, match=r"no record of 'x\.node7"):
                await client.lookup(full("x.node7"))

    asyncio.run(scenario())


def test_all_questions_share_one_channel() -> None:
    async def scenario() -> None:
        async with served() as (site, client):
            await client.publish([signed()])
            lookups = (client.lookup(full("web.node7")) for _ in range(50))
            assert len(await asyncio.gather(*lookups)) == 50
            assert site.opened == 1

    asyncio.run(scenario())


def test_many_who_wait_for_a_connection_wait_for_the_same_one() -> None:
    async def scenario() -> None:
        async with served() as (site, client):
            answers = await asyncio.gather(*(client.list_all() for _ in range(20)))
            assert answers == [[]] * 20
            assert site.opened == 1

    asyncio.run(scenario())


def test_after_a_restart_the_next_question_is_answered() -> None:
    async def scenario() -> None:
        async with served() as (site, client):
            await client.list_all()
            await site.stop()
            await site.start()
            assert await client.list_all() == []
            assert site.opened == 2

    asyncio.run(scenario())


def test_while_nobody_is_there_it_is_unavailable_at_once() -> None:
    async def scenario() -> None:
        client = Site().client()
        with pytest.raises(Unavailable, match="Connection refused"):
            await client.list_all()
        client.close()

    asyncio.run(scenario())


def test_whoever_gives_up_waiting_leaves_the_others_waiting() -> None:
    async def scenario() -> None:
        async with served() as (_, client):
            first = asyncio.create_task(client.list_all())
            second = asyncio.create_task(client.list_all())
            await asyncio.sleep(0)
            first.cancel()
            assert await second == []

    asyncio.run(scenario())


def test_closing_ends_a_question_that_waits_for_a_connection() -> None:
    async def scenario() -> None:
        async def never() -> Channel:
            await asyncio.Event().wait()
            raise AssertionError

        client = DirectoryClient(never)
        asked = asyncio.create_task(client.list_all())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        client.close()
        with pytest.raises(Unavailable, match="closed"):
            await asked

    asyncio.run(scenario())


def test_a_connection_that_does_not_come_about() -> None:
    async def scenario() -> None:
        client = DirectoryClient(asyncio.Event().wait, timeout=0.05)  # type: ignore[arg-type]
        with pytest.raises(Unavailable, match=r"no connection within 0\.05 s"):
            await client.list_all()

    asyncio.run(scenario())


# --- a directory that does not behave -------------------------------------------------------------


class Odd(DirectoryServer):
    """Answers as it was told to."""

    def __init__(self, answer: Callable[[Message], Message | None]) -> None:
        self.channels: set[Channel] = set()
        self.tasks: set[asyncio.Task[Channel]] = set()
        self.answer = answer
        self.credentials = Site().credentials

    def take(self, incoming: Incoming) -> None:
        accepting = accept_channel(incoming.sock, self.credentials, Codec(DIRECTORY), self.hear)
        self.tasks.add(asyncio.create_task(accepting))

    def hear(self, channel: Channel, message: Message) -> None:
        answer = self.answer(message)
        if answer is None:
            channel.close()
        else:
            channel.tell(answer)

    async def close(self) -> None:
        for task in self.tasks:
            (await task).close()


def listing(*records: Signed) -> Callable[[Message], Message]:
    return lambda asked: Listing(asked.id, records, (0.0,) * len(records), more=True)


ODD = [
    # name                      answer                                     error
    ("another kind", lambda asked: Done(id=asked.id), "the answer is a Done"),
    ("an empty page and more", listing(), "does not get on"),
    ("the same page again", listing(signed("web.node7")), "does not get on"),
    ("no record at all", listing(Signed(b"\xc1", b"", b"")), "an unreadable record"),
    ("nothing", lambda asked: Done(id=0), "no answer within 0.2 s"),
    ("it hangs up", lambda asked: None, "the connection was lost"),
]


@pytest.mark.parametrize("name, answer, error", ODD, ids=[case[0] for case in ODD])
def test_an_odd_directory(
    name: str, answer: Callable[[Message], Message | None], error: str
) -> None:
    async def scenario() -> None:
        site = Site()
        server = site.server = Odd(answer)
        server.credentials = site.credentials
        client = site.client(timeout=0.2)
        with pytest.raises(Unavailable, match=error):
            await client.list_all()
        client.close()
        await site.stop()
        await quiet()

    asyncio.run(scenario())


def test_found_without_a_record() -> None:
    async def scenario() -> None:
        site = Site()
        server = site.server = Odd(lambda asked: Found(id=asked.id))
        server.credentials = site.credentials
        client = site.client()
        with pytest.raises(Unavailable, match="did not send it"):
            await client.lookup(full("web.node7"))
        client.close()
        await site.stop()
        await quiet()

    asyncio.run(scenario())


# --- publishers -----------------------------------------------------------------------------------


def test_a_publisher_publishes_changes_and_withdraws() -> None:
    async def scenario() -> None:
        async with served() as (_, client):
            publisher = Publisher(client)
            web, db = signed("web.node7"), signed("db.node7")
            publisher.want({full("web.node7"): web, full("db.node7"): db})
            await publisher.settled()
            assert [each for each, _ in await client.list_all()] == [db, web]
            newer = signed("web.node7")
            publisher.want({full("web.node7"): newer})
            await publisher.settled()
            assert [each for each, _ in await client.list_all()] == [newer]
            await publisher.close(timeout=5)
            assert await client.list_all() == []

    asyncio.run(scenario())


def test_a_publisher_renews_in_time() -> None:
    async def scenario() -> None:
        lease = 0.8  # long enough for a machine that is busy with other tests
        async with served(lease=lease) as (_, client):
            publisher = Publisher(client)
            publisher.want({full("web.node7"): signed()})
            await publisher.settled()
            loop = asyncio.get_running_loop()
            end = loop.time() + 2.5 * lease  # what is tested is that it outlasts its first lease
            while loop.time() < end:
                assert (await client.lookup(full("web.node7"))).age < lease
                await asyncio.sleep(lease / 20)
            await publisher.close()

            async def gone() -> bool:
                return not await has(client, "web.node7")

            await until(gone)

    asyncio.run(scenario())


def test_a_publisher_comes_back_when_the_directory_does(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        async with served(lease=0.4) as (site, client):
            publisher = Publisher(client, randomness=random.Random(0))
            publisher.want({full("web.node7"): signed()})
            await publisher.settled()
            await site.stop()
            await until(lambda: publisher.away)
            await site.start()  # with an empty store
            await until(partial(has, client, "web.node7"))
            assert publisher.away == ""
            await publisher.close()

    asyncio.run(scenario())
    assert [each.levelno for each in caplog.records] == [logging.WARNING]


def test_a_refusal_reaches_the_owner_of_the_record() -> None:
    async def scenario() -> None:
        async with served() as (_, client):
            heard: list[tuple[str, str]] = []
            publisher = Publisher(client, on_refused=lambda name, why: heard.append((name, why)))
            publisher.want({full("web.node7"): signed(address="nowhere at all")})
            await publisher.settled()
            ((name, why),) = heard
            assert name == full("web.node7")
            assert why.startswith("bad-address: ")
            await publisher.close()

    asyncio.run(scenario())


def test_closing_does_not_wait_for_a_directory_that_is_away() -> None:
    async def scenario() -> None:
        publisher = Publisher(Site().client())
        publisher.want({full("web.node7"): signed()})
        await until(lambda: publisher.away)
        await publisher.close(timeout=0.05)

    asyncio.run(scenario())


def test_what_is_refused_as_a_whole_is_tried_again() -> None:
    async def scenario() -> None:
        site = Site()
        answers: list[Callable[[int], Message]] = [
            lambda number: Failed(number, "unavailable", "the disk is full"),
            lambda number: Published(number, 60, ("",)),
        ]
        server = site.server = Odd(lambda asked: answers.pop(0)(asked.id))
        server.credentials = site.credentials
        client = site.client()
        publisher = Publisher(client)
        publisher.want({full("web.node7"): signed()})
        await until(lambda: publisher.away == "the disk is full")
        await publisher.settled()
        await publisher.close()
        client.close()
        await site.stop()
        await quiet()

    asyncio.run(scenario())
