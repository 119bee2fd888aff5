"""Conversations with HTCondor's own daemons, had again: their side is played from the record."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from glasnost.condor.cedar.frames import Packets
from glasnost.condor.cedar.values import Reader
from glasnost.condor.classad import Ad
from glasnost.condor.commands import Command
from glasnost.condor.pool import Pool, close
from glasnost.condor.questions import about, located
from glasnost.condor.reaching import Reaching
from glasnost.condor.security.methods.base import Login
from glasnost.condor.stages import KINDS as HTCONDOR
from glasnost.errors import ConnectFailed
from glasnost.net.sockets import connect_tcp
from glasnost.roles.experience import Experience
from glasnost.roles.standing import alone
from glasnost.settings import Settings
from glasnost.stages import register
from tests.condor.daemon import RAW, caller
from tests.roles.broker_lab import read
from tests.stages.crossing import play

register(HTCONDOR)

VECTORS: dict[str, list[list[tuple[str, str]]]] = {
    one["name"]: one["connections"]
    for one in json.loads(Path("tests/vectors/condor/seen_as_client.json").read_text())[
        "conversations"
    ]
}


def messages(data: bytes) -> Iterator[Reader]:
    packets = Packets()
    packets.feed(data)
    while (packet := packets.next()) is not None:
        assert packet[0][0], "each is a message of one packet"
        yield Reader(packet[1])


def request(data: bytes) -> Ad:
    """What is asked of a broker, behind a connect message perhaps."""
    *_, last = messages(data)
    assert last.integer() == Command.CCB_REQUEST
    return Ad.from_lines(last.ad())


class Played:
    """The collector's port: each connection goes on as the next one in the record did."""

    def __init__(self, name: str) -> None:
        self._lines = iter([one for one in VECTORS[name] if one[0][0] == "client"])
        self.dialled = next((one for one in VECTORS[name] if one[0][0] == "server"), None)
        self.heard: list[bytes] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)
        self.port = self._listener.getsockname()[1]
        self._tasks.append(asyncio.create_task(self._accept()))

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        for line in self._lines:
            sock, _ = await loop.sock_accept(self._listener)
            sock.setblocking(False)
            self._tasks.append(asyncio.create_task(self._play(sock, line)))

    async def _play(self, sock: socket.socket, line: list[tuple[str, str]]) -> None:
        with sock:
            for who, text in line:
                data = bytes.fromhex(text)
                if who == "server":
                    await asyncio.get_running_loop().sock_sendall(sock, data)
                    continue
                said = await heard_like(sock, data)
                self.heard.append(said)
                if self.dialled is not None and b"MyAddress" in said:
                    await self._dial(str(request(said)["MyAddress"]), self.dialled)

    async def _dial(self, address: str, line: list[tuple[str, str]]) -> None:
        """As the daemon did."""
        (found,) = re.findall(r"^<.*?:(\d+)", address)
        with await connect_tcp("127.0.0.1", int(found)) as sock:
            for who, text in line:
                data = bytes.fromhex(text)
                if who == "server":
                    await asyncio.get_running_loop().sock_sendall(sock, data)
                else:
                    assert await read(sock, len(data)) == data

    async def close(self) -> None:
        self._listener.close()
        done = await asyncio.wait_for(asyncio.gather(*self._tasks, return_exceptions=True), 10)
        failed = [one for one in done if isinstance(one, AssertionError)]
        assert not failed, failed


async def heard_like(sock: socket.socket, data: bytes) -> bytes:
    """As many messages as the record has there; addresses of ours may have another length."""
    wanted, packets, got = len(list(messages(data))), Packets(), b""
    while wanted:
        got += (more := await read(sock, packets.missing()))
        assert more, "it says less than it did"
        packets.feed(more)
        wanted -= packets.next() is not None
    return got


async def with_pool(name: str, work: Any, **settings: str) -> list[bytes]:
    played = Played(name)
    who = caller(RAW, Login(), **settings)
    try:
        with Reaching(alone(Settings(), Experience()), who.config) as reaching:
            await work(Pool(who, reaching, [f"127.0.0.1:{played.port}"]), played.port)
    finally:
        await played.close()
    return played.heard


def secret(name: str, monkeypatch: pytest.MonkeyPatch) -> Ad:
    """What was drawn then is drawn now: the request that it stood in."""
    asked = next(
        request(bytes.fromhex(text))
        for line in VECTORS[name]
        for who, text in line
        if who == "client" and b"CCBID" in bytes.fromhex(text)
    )
    reply = re.findall(r"sock=reply_([0-9a-f]+)", str(asked["MyAddress"]))
    monkeypatch.setattr(secrets, "token_hex", lambda size: asked["ClaimId"])
    if reply:
        monkeypatch.setattr(secrets, "token_bytes", lambda size: bytes.fromhex(reply[0]))
    return asked


def test_a_query() -> None:
    async def scenario() -> None:
        async def work(pool: Pool, port: int) -> None:
            (ad,) = await pool.ads(about("schedd", projection=["Name", "MyAddress"]))
            assert ad["Name"] == "node2@vm" and "CCBID=" in str(ad["MyAddress"])

        (said,) = await with_pool("a query", work)
        assert said.hex() == VECTORS["a query"][0][0][1]

    play(scenario)


def test_to_locate() -> None:
    name = "to locate a schedd"

    async def scenario() -> None:
        async def work(pool: Pool, port: int) -> None:
            (ad,) = await pool.ads(located("node2@vm", "schedd"))
            assert str(ad["CondorVersion"]).startswith("$CondorVersion: 25.14.1 ")

        (said,) = await with_pool(name, work)
        assert said.hex() == VECTORS[name][0][0][1]

    play(scenario)


@pytest.mark.parametrize("way", ["dial-back", "relay"])
def test_a_daemon_behind_a_broker(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"a daemon behind a broker, by {way}"
    recorded = secret(name, monkeypatch)
    schedd = re.findall(
        r"schedd_[0-9a-f_]+", bytes.fromhex(VECTORS[name][-1][-1][1]).decode("latin-1")
    )[0]

    async def scenario() -> None:
        async def work(pool: Pool, port: int) -> None:
            broker = f"127.0.0.1:{port}%3fsock%3dcollector"
            address = f"<127.0.0.1:1?CCBID={broker}#1&sock={schedd}>"
            call = (await pool.start(address, Command.DC_NOP_READ)).result
            await call.stream.send(call.writer())
            close(call)

        walled = "true" if way == "relay" else "false"
        first, *_ = await with_pool(name, work, TOOLS_ASSUME_FIREWALLS=walled)
        asked = request(first)
        assert asked.without("MyAddress") == recorded.without("MyAddress")
        theirs, ours = (str(one["MyAddress"]).rpartition("sock=")[2] for one in (recorded, asked))
        assert theirs == ours

    play(scenario)


def test_an_id_that_nobody_has() -> None:
    async def scenario() -> None:
        async def work(pool: Pool, port: int) -> None:
            with pytest.raises(ConnectFailed, match="no daemon is currently registered") as caught:
                await pool.start(f"<127.0.0.1:1?CCBID=127.0.0.1:{port}#99999>", Command.DC_NOP_READ)
            assert len(caught.value.traces) == 2

        assert len(await with_pool("an id that nobody has", work)) == 2

    play(scenario)
