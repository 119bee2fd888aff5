"""The directory: records published signed and durable, looked up, and renewed.

Two processes over loopback, each connection its own TLS with certificates on both sides; every
signature is verified and every group of records synced to a file. Compared with the same rows
given to SQLite in commits as large, and with pings over the same channels, which cost the
connection and nothing else.
"""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
import tempfile
import time
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median

from benchmarks.figures import ROUNDS, Figure, at_least, at_most, cpu_seconds, process
from benchmarks.pool import Pool
from glasnost.core.wire.header import Call
from glasnost.core.wire.messages import (
    DIRECTORY,
    Codec,
    Lookup,
    Message,
    Ping,
    Publish,
    Record,
    Renew,
    Signed,
)
from glasnost.net.channel import Channel, open_channel
from glasnost.net.exact import write_call
from glasnost.net.loops import fast_loop
from glasnost.net.port import SharedPort
from glasnost.net.sockets import connect_tcp, listen_tcp
from glasnost.roles.directory import DirectoryServer
from glasnost.store.sqlite import SqliteRecords
from glasnost.trust.records import Verifier, sign_record

#: Nodes that publish at the same time, each over its own connection.
NODES = 16
#: Records of one node in one round.
RECORDS = 100
#: Questions that one node has open at a time, where each holds one name.
IN_FLIGHT = 16
ALONE = 2_000
#: What one-name messages are counted over.
SMALL = 10_000
TIMEOUT = 60.0
_CODEC = Codec(DIRECTORY)


def measure() -> list[Figure]:
    """Rates of each, the time of one lookup alone, and the directory's CPU."""
    pool = Pool.new()
    with tempfile.TemporaryDirectory(dir="build") as folder:
        with process(run_directory, pool, folder) as (directory, port):
            assert directory.pid is not None
            with asyncio.Runner(loop_factory=fast_loop()) as runner:
                return runner.run(_measure(pool, port, directory.pid, Path(folder)))


async def _measure(pool: Pool, port: int, pid: int, folder: Path) -> list[Figure]:
    names = [f"node{number}" for number in range(NODES)]
    channels = [await _channel(pool, name, port) for name in names]
    owners = [Owner(pool, name) for name in names]
    takings = [Taking(pid, channels) for _ in range(4)]
    batched, single, renewed, small = takings
    commits: dict[str, list[float]] = {"batched": [], "single": []}
    alone: list[tuple[float, float]] = []
    for _ in range(ROUNDS):
        records = [owner.sign() for owner in owners]
        await batched.take([[Publish(records=many)] for many in records], NODES * RECORDS)
        commits["batched"].append(_commits(folder, records, NODES * RECORDS // 2))
        records = [owner.sign() for owner in owners]
        await single.take(
            [[Publish(records=(one,)) for one in many] for many in records], NODES * RECORDS
        )
        commits["single"].append(_commits(folder, records, NODES * IN_FLIGHT // 2))
        each = [owner.names for owner in owners]
        await renewed.take([[Renew(names=many)] * 20 for many in each], NODES * RECORDS * 20)
        rounds = SMALL // NODES // RECORDS + 1
        await small.take(
            [[Renew(names=(one,)) for one in many] * rounds for many in each],
            NODES * RECORDS * rounds,
        )
        lookup = Lookup(name=owners[0].names[0])
        alone.append((await _median(channels[0], lookup), await _median(channels[0], Ping())))
    pings = Taking(pid, channels)
    for _ in range(ROUNDS):
        await pings.take([[Ping()] * (SMALL // NODES)] * NODES, SMALL)
    for channel in channels:
        channel.close()
    rate = at_least(3_000, "ours")
    return [
        Figure(
            "records published, 100 in a message; commits",
            "1/s",
            batched.rates,
            commits["batched"],
            rate,
        ),
        Figure(
            "records published one by one; commits", "1/s", single.rates, commits["single"], rate
        ),
        Figure(
            "names renewed, 100 in a message", "1/s", renewed.rates, (), at_least(20_000, "ours")
        ),
        Figure(
            "names renewed one by one; pings",
            "1/s",
            small.rates,
            pings.rates,
            at_least(20_000, "ours"),
        ),
        Figure.of_pairs("one lookup alone, p50; ping", "us", alone, at_most(300, "ours")),
        Figure("CPU of a published record", "us", batched.cpus),
        Figure("CPU of one published by itself", "us", single.cpus),
        Figure("CPU of a renewed name", "us", renewed.cpus),
        Figure("CPU of one renewed by itself; ping", "us", small.cpus, pings.cpus),
    ]


class Owner:
    """A node and its records, signed anew before each round."""

    def __init__(self, pool: Pool, name: str) -> None:
        self._key, self._certificate = pool.node(name)
        self.names = tuple(f"s{number}.{name}.{pool.domain}" for number in range(RECORDS))
        self._sequence = itertools.count(1)

    def sign(self) -> tuple[Signed, ...]:
        return tuple(self._sign(name) for name in self.names)

    def _sign(self, name: str) -> Signed:
        record = Record(
            name,
            f"public/ip4:42.82.111.3:9618/service:{name.partition('.')[0]},"
            f"public/ip4:173.194.46.96:9618/service:broker/ccb:node7/service:startd",
            reach=("ip4@public",),
            labels={"role": "startd", "arch": "x86_64"},
            sequence=next(self._sequence),
            not_after=int(time.time() + 3600),
        )
        return sign_record(record, self._key, self._certificate)


class Taking:
    """Rates of one kind of question, and what the directory spent on each."""

    def __init__(self, pid: int, channels: Sequence[Channel]) -> None:
        self._pid, self._channels = pid, channels
        self.rates: list[float] = []
        self.cpus: list[float] = []

    async def take(self, questions: Sequence[Sequence[Message]], count: int) -> None:
        """Ask these through each channel, `IN_FLIGHT` at a time; ``count`` is what they are of."""
        cpu, begun = cpu_seconds(self._pid), time.perf_counter()
        await asyncio.gather(
            *(
                _worker(channel, turn)
                for channel, asked in zip(self._channels, questions, strict=True)
                for turn in [iter(asked)] * IN_FLIGHT
            )
        )
        self.rates.append(count / (time.perf_counter() - begun))
        self.cpus.append((cpu_seconds(self._pid) - cpu) / count * 1e6)


async def _worker(channel: Channel, questions: Iterator[Message]) -> None:
    for question in questions:
        answer = await channel.ask(question, TIMEOUT)
        assert not any(getattr(answer, "refused", ())) and not getattr(answer, "unknown", ())


async def _median(channel: Channel, question: Message) -> float:
    """Microseconds of the median one, one after the other."""
    taken = []
    for _ in range(ALONE):
        begun = time.perf_counter()
        await channel.ask(question, TIMEOUT)
        taken.append(time.perf_counter() - begun)
    return median(taken) * 1e6


def _commits(folder: Path, records: Sequence[Sequence[Signed]], group: int) -> float:
    """Rows per second that SQLite alone makes durable, in groups of so many."""
    rows = [
        (f"s{number}", time.time(), one.payload, one.signature, one.certificate)
        for number, one in enumerate(itertools.chain(*records))
    ]
    database = sqlite3.connect(folder / "alone.sqlite", isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.execute(
        "CREATE TABLE IF NOT EXISTS records (name TEXT PRIMARY KEY, published REAL,"
        " payload BLOB, signature BLOB, certificate BLOB)"
    )
    begun = time.perf_counter()
    for start in range(0, len(rows), group):
        database.execute("BEGIN IMMEDIATE")
        database.executemany(
            "INSERT OR REPLACE INTO records VALUES (?, ?, ?, ?, ?)", rows[start : start + group]
        )
        database.execute("COMMIT")
    rate = len(rows) / (time.perf_counter() - begun)
    database.close()
    return rate


async def _channel(pool: Pool, node: str, port: int) -> Channel:
    sock = await connect_tcp("127.0.0.1", port)
    await write_call(sock, Call(to="directory"))
    return await open_channel(sock, pool.agent(node), f"directory.cm.{pool.domain}", _CODEC)


def run_directory(pipe: Connection, pool: Pool, folder: str) -> None:
    """A process that is a directory."""

    async def main() -> None:
        store = SqliteRecords(Path(folder) / "records.sqlite")
        credentials = pool.service("directory", "cm")
        server = DirectoryServer(credentials, Verifier(credentials.root, pool.domain), store)
        await server.start()
        port = SharedPort(server.take)
        listener = listen_tcp("127.0.0.1", 0)
        port.listen(listener)
        pipe.send(listener.getsockname()[1])
        await asyncio.Event().wait()

    with asyncio.Runner(loop_factory=fast_loop()) as runner:
        runner.run(main())
