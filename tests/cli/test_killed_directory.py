"""kill -9 of ``glasnost directory`` while many publish: what was acknowledged is there again."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from glasnost.core.wire.header import Call
from glasnost.core.wire.messages import DIRECTORY, Codec, Record, decode_record
from glasnost.errors import GlasnostError
from glasnost.net.channel import Channel, open_channel
from glasnost.net.exact import write_call
from glasnost.net.sockets import connect_unix
from glasnost.roles.directory_client import DirectoryClient
from glasnost.roles.home import NodeIdentity
from tests.cli.conftest import GLASNOST, Shell

#: Clients that publish at the same time, and names of each.
CLIENTS, NAMES = 8, 10


class Pool:
    """An agent and a directory, each a process of its own, and a member that asks through them."""

    def __init__(self, shell: Shell) -> None:
        self.shell = shell
        assert shell.run("init", "--name", "cm").status == 0
        self.identity = NodeIdentity(shell.home)

    @contextmanager
    def daemon(self, *words: str) -> Iterator[subprocess.Popen[bytes]]:
        """One of the daemons; killed in the end if it has not been before."""
        with (self.shell.home.parent / f"{words[0]}.log").open("ab") as log:
            process = subprocess.Popen(
                [*GLASNOST, *words], env=self.shell.complete(), stdout=log, stderr=log
            )
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    @contextmanager
    def directory(self) -> Iterator[subprocess.Popen[bytes]]:
        """The directory, once it answers."""
        with self.daemon("directory") as process:
            asyncio.run(self._answers())
            yield process

    def client(self) -> DirectoryClient:
        async def open_it() -> Channel:
            sock = await connect_unix(
                str(self.shell.home / "run" / "port.sock"), frozenset({os.getuid()})
            )
            await write_call(sock, Call(to="directory"))
            full = self.identity.full("directory")
            return await open_channel(sock, self.identity.credentials, full, Codec(DIRECTORY))

        return DirectoryClient(open_it)

    async def _answers(self) -> None:
        client = self.client()
        async with asyncio.timeout(30):
            while True:
                try:
                    await client.list_all()
                    break
                except (GlasnostError, OSError):
                    await asyncio.sleep(0.05)
        client.close()


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[Pool]:
    pool = Pool(Shell(tmp_path / "cm"))
    with pool.daemon("agent", "--port", "0"):
        yield pool


class Publishers:
    """Publish each name again and again; what was acknowledged of each is remembered."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._sequence = itertools.count(1)
        self.acknowledged: dict[str, int] = {}
        self.count = 0
        self.enough = asyncio.Event()

    async def run(self, until: int) -> None:
        """Until the directory is gone; ``enough`` is set after so many acknowledgements."""
        await asyncio.gather(*(self._one(number, until) for number in range(CLIENTS)))

    async def _one(self, number: int, until: int) -> None:
        client = self._pool.client()
        for turn in itertools.count():
            name = self._pool.identity.full(f"s{number}-{turn % NAMES}")
            record = Record(
                name,
                "public/ip4:192.0.2.1:9618",
                sequence=next(self._sequence),
                not_after=int(time.time() + 3600),
            )
            try:
                answer = await client.publish([self._pool.identity.sign(record)])
            except (GlasnostError, OSError):
                break
            assert answer.refused == ("",)
            self.acknowledged[name] = record.sequence
            self.count += 1
            if self.count >= until:
                self.enough.set()
        client.close()


@pytest.mark.parametrize("until", [1, 500])
def test_every_acknowledged_record_is_there_after_kill_9(pool: Pool, until: int) -> None:
    async def publish_until_killed(process: subprocess.Popen[bytes]) -> Publishers:
        publishers = Publishers(pool)
        running = asyncio.create_task(publishers.run(until))
        await publishers.enough.wait()
        process.kill()
        await running
        return publishers

    async def look_up(publishers: Publishers) -> dict[str, int]:
        client, found = pool.client(), {}
        for name in publishers.acknowledged:
            answer = await client.lookup(name)
            assert answer.record is not None
            found[name] = decode_record(answer.record.payload).sequence
        client.close()
        return found

    with pool.directory() as process:
        publishers = asyncio.run(publish_until_killed(process))
        assert process.wait() == -signal.SIGKILL
    assert publishers.count >= until
    assert until == 1 or len(publishers.acknowledged) == CLIENTS * NAMES
    with pool.directory():  # these names are renewed and published by nobody
        found = asyncio.run(look_up(publishers))
    lost = {name for name, said in publishers.acknowledged.items() if found[name] < said}
    assert not lost, f"{len(lost)} of {publishers.count} acknowledgements were false"
