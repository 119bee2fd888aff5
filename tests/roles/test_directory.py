"""A directory server over real TLS: who may do what, and what survives."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import pytest

from glasnost.core.protocols.record_rules import MAX_PAGE
from glasnost.core.protocols.writes import Stored
from glasnost.core.wire.header import Call
from glasnost.core.wire.messages import (
    Done,
    Failed,
    Message,
    Publish,
    Published,
    Signed,
    decode_record,
)
from glasnost.errors import GlasnostError, Refused, Unavailable, UnknownName
from glasnost.net.port import Incoming
from glasnost.roles.directory_client import DirectoryClient
from glasnost.roles.publisher import Publisher
from glasnost.store.records import MemoryRecords
from glasnost.store.sqlite import SqliteRecords
from tests.roles.directory_lab import Site, full, served, signed, until
from tests.trust.pool import Pool, lab, node7, node8


async def has(client: DirectoryClient, short: str) -> bool:
    try:
        await client.lookup(full(short))
    except UnknownName:
        return False
    return True


def test_publish_look_up_list_renew_withdraw() -> None:
    async def scenario() -> None:
        async with served() as (site, client):
            web, db = signed("web.node7"), signed("db.node7")
            assert await client.publish([web, db]) == Published(lease=60, refused=("", ""))
            found = await client.lookup(full("web.node7"))
            assert found.record == web
            assert 0 <= found.age < 5
            assert [each for each, _ in await client.list_all()] == [db, web]
            assert [each for each, _ in await client.list_all("web.*")] == [web]
            renewed = await client.renew([full("web.node7"), full("other.node7")])
            assert renewed.unknown == (full("other.node7"),)
            await client.withdraw([full("web.node7")])
            assert not await has(client, "web.node7")
            assert await has(client, "db.node7")
            assert site.server is not None
            status = site.server.status()
            assert status.pop("certificate_not_after") > 0
            assert status == {
                "records": 1,
                "nodes": 1,
                "channels": 1,
                "watches": 0,
                "handshakes": 0,
                "waiting": 0,
                "store": "works",
                "store_trouble": "",
                "questions": {"publish": 1, "lookup": 3, "list": 2, "renew": 1, "withdraw": 1},
                "offered": {"taken": 2, "refused": 0},
            }

    asyncio.run(scenario())


def test_a_listing_of_many_pages_has_each_name_once() -> None:
    async def scenario() -> None:
        async with served() as (_, client):
            names = sorted(f"s{number}.node7" for number in range(2 * MAX_PAGE + 1))
            await client.publish([signed(name) for name in names])
            listed = [decode_record(each.payload).name for each, _ in await client.list_all()]
            assert listed == [full(name) for name in names]

    asyncio.run(scenario())


REFUSED = [
    # name                         record                                             refused
    ("another node's name", lambda: signed("web.node8", by=node8()), "denied"),
    ("signed by another node", lambda: signed("web.node7", by=node8()), "untrusted"),
    ("for another's name", lambda: signed("web.node8", by=node7()), "untrusted"),
    ("not below a node", lambda: signed("node7"), "untrusted"),
    ("expired", lambda: signed(not_after=time.time() - 1), "untrusted"),
    ("no address", lambda: signed(address="nowhere at all"), "bad-address"),
    ("garbage", lambda: Signed(b"\xc1", b"", b""), "untrusted"),
]


@pytest.mark.parametrize("name, make, code", REFUSED, ids=[case[0] for case in REFUSED])
def test_a_record_that_cannot_be_taken_is_refused_alone(
    name: str, make: Callable[[], Signed], code: str
) -> None:
    async def scenario() -> None:
        async with served() as (_, client):
            good = signed("good.node7")
            answer = await client.publish([make(), good])
            assert answer.refused[0].startswith(f"{code}: ")
            assert answer.refused[1] == ""
            assert [each for each, _ in await client.list_all()] == [good]

    asyncio.run(scenario())


def test_a_member_that_is_no_node_only_reads() -> None:
    async def scenario() -> None:
        async with served() as (site, client):
            await client.publish([signed()])
            service = site.client(lab().service(node7(), "web"))
            assert await has(service, "web.node7")
            assert len(await service.list_all()) == 1
            for question in (
                service.publish([signed()]),
                service.renew([full("web.node7")]),
                service.withdraw([full("web.node7")]),
            ):
                with pytest.raises(Refused, match="only a node itself"):
                    await question
            service.close()

    asyncio.run(scenario())


def test_a_node_changes_nothing_of_another() -> None:
    async def scenario() -> None:
        async with served() as (site, client):
            await client.publish([signed()])
            other = site.client(lab().agent(node8()))
            for question in (other.renew([full("web.node7")]), other.withdraw([full("web.node7")])):
                with pytest.raises(Refused, match="is not a name of node 'node8'"):
                    await question
            replayed = await other.publish([signed("web.node7")])
            assert replayed.refused[0].startswith("denied: ")
            assert await has(other, "web.node7")
            other.close()

    asyncio.run(scenario())


def test_who_is_of_another_pool_is_not_let_in(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        async with served() as (site, _):
            stranger = Pool(time.time())  # the same names, another root
            client = site.client(stranger.agent(stranger.node("node7")))
            with pytest.raises(GlasnostError):
                await client.lookup(full("web.node7"))
            client.close()
            assert site.server is not None
            await until(lambda: site.server and site.server.status()["handshakes"] == 0)

    asyncio.run(scenario())
    assert not [each for each in caplog.records if each.exc_info]


@pytest.mark.parametrize(
    "garbage", [b"", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01" + b"\xff" * 99]
)
def test_garbage_instead_of_a_handshake(garbage: bytes, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    async def scenario() -> None:
        async with served() as (site, client):
            raw = site.dial()
            raw.send(garbage)
            raw.shutdown(socket.SHUT_WR)
            server = site.server
            assert server is not None
            await until(lambda: server.status()["handshakes"] == 0)
            raw.close()
            assert (await client.list_all()) == []

    asyncio.run(scenario())
    assert not [each for each in caplog.records if each.exc_info]


def test_what_is_no_question_is_not_answered() -> None:
    async def scenario() -> None:
        async with served() as (site, _):
            heard: list[Message] = []
            channel = await site.opener(lab().agent(node7()))()
            channel._on_message = lambda _, message: heard.append(message)
            channel.tell(Failed(id=77))
            channel.tell(Done(id=78))
            await channel.ask(Publish(), 5)
            assert heard == []
            with pytest.raises(Refused, match="101 records in one message"):
                await channel.ask(Publish(records=(signed(),) * 101), 5)
            channel.close()

    asyncio.run(scenario())


# --- time -----------------------------------------------------------------------------------------


def test_what_is_not_renewed_is_gone_without_anybody_asking() -> None:
    async def scenario() -> None:
        store = MemoryRecords()
        async with served(store, lease=0.2) as (_, client):
            await client.publish([signed()])
            assert len(await store.load()) == 1

            async def forgotten() -> bool:
                return not await store.load()

            await until(forgotten)
            assert not await has(client, "web.node7")

    asyncio.run(scenario())


# --- limits ---------------------------------------------------------------------------------------


def test_a_full_directory_says_so_and_has_room_again() -> None:
    async def scenario() -> None:
        async with served(max_channels=1) as (site, client):
            await client.list_all()
            second = site.client()
            with pytest.raises(Refused, match="the directory is full"):
                await second.list_all()
            client.close()
            server = site.server
            assert server is not None
            await until(lambda: server.status()["channels"] == 0)
            assert await second.list_all() == []
            second.close()

    asyncio.run(scenario())


def test_one_node_does_not_take_all_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("glasnost.roles.directory.CHANNELS_PER_NODE", 1)

    async def scenario() -> None:
        async with served() as (site, client):
            await client.list_all()
            second, other = site.client(), site.client(lab().agent(node8()))
            with pytest.raises(Refused, match="node7 has 1 connections here"):
                await second.list_all()
            assert await other.list_all() == []
            for each in (second, other):
                each.close()

    asyncio.run(scenario())


# --- durability -----------------------------------------------------------------------------------


def test_records_survive_a_restart_and_what_no_longer_holds_does_not(tmp_path: Path) -> None:
    async def scenario() -> None:
        path = tmp_path / "records.sqlite"
        async with served(SqliteRecords(path)) as (_, client):
            await client.publish([signed("a.node7"), signed("b.node7")])
        store = SqliteRecords(path)
        await store.load()
        forged = Signed(b"payload", b"signature", b"certificate")
        moved = signed("a.node7")
        await store.commit(
            {full("b.node7"): Stored(forged, 0.0), full("c.node7"): Stored(moved, 0.0)}, ()
        )
        await store.close()
        async with served(SqliteRecords(path)) as (_, client):
            listed = [decode_record(each.payload).name for each, _ in await client.list_all()]
            assert listed == [full("a.node7")]
        store = SqliteRecords(path)
        assert set(await store.load()) == {full("a.node7")}
        await store.close()

    asyncio.run(scenario())


class Failing(MemoryRecords):
    """A store whose disk is full, until it is not."""

    works = False

    async def commit(self, puts: Mapping[str, Stored], deletes: Collection[str]) -> None:
        if not self.works:
            raise Unavailable("cannot write: the disk is full")
        await super().commit(puts, deletes)


def test_what_cannot_be_kept_is_not_acknowledged(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        store = Failing()
        async with served(store) as (site, client):
            with pytest.raises(Refused, match="the disk is full"):
                await client.publish([signed()])
            server = site.server
            assert server is not None
            assert server.status()["store"] == "fails"
            assert server.status()["store_trouble"] == "cannot write: the disk is full"
            store.works = True
            await client.publish([signed()])
            assert server.status()["store"] == "works"
            assert set(await store.load()) == {full("web.node7")}

    asyncio.run(scenario())
    assert [each.getMessage() for each in caplog.records] == [
        "the store fails: cannot write: the disk is full",
        "the store works again",
    ]


def test_a_damaged_store_begins_empty_says_so_and_is_filled_by_the_agents(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Agents find out by their next renewal: here a lease is so short that this is soon."""

    async def scenario() -> None:
        site, path = Site(), tmp_path / "records.sqlite"
        await site.start(SqliteRecords(path), lease=1.0)
        publishers = []
        for number in range(5):
            credentials = lab().agent(node := lab().node(f"m{number}"))
            publishers.append(Publisher(site.client(credentials)))
            publishers[-1].want({full(f"web.{node.name}"): signed(f"web.{node.name}", by=node)})
        await asyncio.gather(*(publisher.settled() for publisher in publishers))
        await site.stop()
        path.write_bytes(b"not a database")
        server = await site.start(SqliteRecords(path), lease=1.0)
        assert server.status()["records"] == 0
        trouble = server.status()["store_trouble"]
        assert "was damaged (file is not a database)" in trouble
        assert f"{trouble}; agents publish again within a lease" in caplog.messages
        await until(lambda: server.status()["records"] == 5)
        await until(lambda: server.status()["waiting"] == 0)
        for publisher in publishers:
            await publisher.close()
            publisher.client.close()
        await site.stop()
        store = SqliteRecords(path)
        assert len(await store.load()) == 5
        await store.close()

    asyncio.run(scenario())


def test_an_old_copy_of_the_store_is_brought_up_to_date_by_the_agents(tmp_path: Path) -> None:
    """As after a restore, or a log whose end was damaged. Renewals say which record is meant."""

    async def scenario() -> None:
        site, path, copy = Site(), tmp_path / "records.sqlite", tmp_path / "copy"
        await site.start(SqliteRecords(path), lease=1.0)
        publisher = Publisher(site.client())
        name, old, new = full("web.node7"), signed(), signed()
        publisher.want({name: old})
        await publisher.settled()
        await site.stop()
        copy.write_bytes(path.read_bytes())
        await site.start(SqliteRecords(path), lease=1.0)
        publisher.want({name: new})
        await publisher.settled()
        await site.stop()
        path.write_bytes(copy.read_bytes())
        server = await site.start(SqliteRecords(path), lease=1.0)

        def kept() -> Signed | None:
            found = server._core.table.get(name, asyncio.get_running_loop().time())
            return None if found is None else found.signed

        assert kept() == old
        await until(lambda: kept() == new)
        await publisher.close()
        publisher.client.close()
        await site.stop()

    asyncio.run(scenario())


def test_a_store_that_is_damaged_while_it_serves_loses_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Damaged(MemoryRecords):
        async def commit(self, puts: Mapping[str, Stored], deletes: Collection[str]) -> None:
            if full("b.node7") in puts and not self.lost:
                self._rows.clear()
                self.lost = "it was damaged and began empty"
                raise Unavailable("cannot write: it is malformed")
            await super().commit(puts, deletes)

    async def scenario() -> None:
        store = Damaged()
        async with served(store) as (site, client):
            await client.publish([signed("a.node7")])
            with pytest.raises(Refused, match="malformed"):
                await client.publish([signed("b.node7")])
            await client.publish([signed("c.node7")])
            assert set(await store.load()) == {full(f"{short}.node7") for short in "abc"}
            assert site.server is not None
            status = site.server.status()
            assert (status["store"], status["store_trouble"]) == ("works", store.lost)

    asyncio.run(scenario())
    assert caplog.messages == [
        "it was damaged and began empty; all that is known is written again",
        "the store works again",
    ]


class Slow(MemoryRecords):
    """A store that commits when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.go = asyncio.Event()
        self.groups: list[int] = []

    async def commit(self, puts: Mapping[str, Stored], deletes: Collection[str]) -> None:
        self.groups.append(len(puts))
        await self.go.wait()
        await super().commit(puts, deletes)


def test_what_comes_during_a_write_shares_the_next_one() -> None:
    async def scenario() -> None:
        store = Slow()
        async with served(store) as (site, client):
            asked = [
                asyncio.create_task(client.publish([signed(f"s{number}.node7")]))
                for number in range(20)
            ]
            server = site.server
            assert server is not None
            await until(lambda: server.status()["waiting"] == 20)
            assert not any(each.done() for each in asked)
            store.go.set()
            await asyncio.gather(*asked)
            assert len(store.groups) == 2
            assert sum(store.groups) == 20

    asyncio.run(scenario())


def test_closing_makes_durable_and_answers_what_was_asked_before() -> None:
    async def scenario() -> None:
        store = Slow()
        async with served(store) as (site, client):
            asked = asyncio.create_task(client.publish([signed()]))
            server = site.server
            assert server is not None
            await until(lambda: server.status()["waiting"] == 1)
            closing = asyncio.create_task(site.stop())
            await asyncio.sleep(0)
            store.go.set()
            assert (await asked).refused == ("",)
            await closing
            assert set(await store.load()) == {full("web.node7")}
            with pytest.raises(GlasnostError):
                await client.lookup(full("web.node7"))

    asyncio.run(scenario())


def test_a_connection_that_comes_as_it_closes_is_told() -> None:
    async def scenario() -> None:
        site = Site()
        server = await site.start()
        ours, theirs = socket.socketpair()
        server.take(Incoming(Call(), theirs))  # its task has no first step before the end
        await server.close()
        assert theirs.fileno() == -1
        ours.close()
        client = site.client()
        with pytest.raises(Refused, match="the directory is ending"):
            await client.list_all()

    asyncio.run(scenario())


_DIRECTORY = """
import asyncio, sys
from pathlib import Path
from glasnost.core.wire.messages import decode_record
from glasnost.store.sqlite import SqliteRecords
from tests.roles.directory_lab import served, signed

async def publish(client, who):
    for number in range(100_000):
        record = signed(f"s{who}-{number % 10}.node7")
        answer = await client.publish([record])
        assert answer.refused == ("",), answer
        said = decode_record(record.payload)
        print(said.name, said.sequence, flush=True)

async def main():
    async with served(SqliteRecords(Path(sys.argv[1]))) as (_, client):
        await asyncio.gather(*(publish(client, who) for who in range(8)))

asyncio.run(main())
"""


@pytest.mark.parametrize("acknowledged", [1, 200])
def test_killed_after_acknowledging_it_has_lost_nothing(tmp_path: Path, acknowledged: int) -> None:
    path = tmp_path / "records.sqlite"
    process = subprocess.Popen(
        [sys.executable, "-c", _DIRECTORY, str(path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(acknowledged)]
    process.send_signal(signal.SIGKILL)
    rest = process.stdout.read()
    lines += rest[: rest.rfind("\n") + 1].splitlines()  # the kill may have cut the last one
    process.stdout.close()
    assert process.wait() == -signal.SIGKILL
    heard = {name: int(sequence) for name, sequence in map(str.split, lines)}
    assert heard

    async def load() -> dict[str, Stored]:
        store = SqliteRecords(path)
        rows = await store.load()
        await store.close()
        return rows

    kept = asyncio.run(load())
    for name, sequence in heard.items():
        assert decode_record(kept[name].signed.payload).sequence >= sequence
