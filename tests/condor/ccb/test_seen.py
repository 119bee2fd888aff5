"""The messages that real daemons and tools were seen to send in clear, to our broker as they are:
what it passes on and answers is, byte for byte, what a real broker did."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import struct
from pathlib import Path

import pytest

from glasnost.net.sockets import connect_tcp
from tests.condor.ccb.broker_lab import Site, site
from tests.net.pairs import LOOPS, run

pytestmark = pytest.mark.parametrize("loop", LOOPS)

SEEN = {
    name: bytes.fromhex(text)
    for name, text in json.loads(Path("tests/vectors/condor/ccb_seen.json").read_text()).items()
}


def changed(frame: bytes, changes: dict[bytes, bytes]) -> bytes:
    """A frame with other texts in it, where those are of that run: its length is put right."""
    for old, new in changes.items():
        assert old in frame
        frame = frame.replace(old, new)
    return frame[:1] + struct.pack(">I", len(frame) - 5) + frame[5:]


async def said(site: Site, *frames: bytes) -> socket.socket:
    sock = await connect_tcp(site.host, site.number)
    await asyncio.get_running_loop().sock_sendall(sock, b"".join(frames))
    return sock


async def frame_of(sock: socket.socket) -> bytes:
    loop = asyncio.get_running_loop()
    data = b""
    while len(data) < 5 or len(data) < 5 + int.from_bytes(data[1:5]):
        wanted = 5 if len(data) < 5 else 5 + int.from_bytes(data[1:5])
        data += await loop.sock_recv(sock, wanted - len(data)) or pytest.fail("it has ended")
    return data


async def registered(here: Site) -> socket.socket:
    """A schedd, as it registered; what it is told differs by our address, id and cookie only."""
    sock = await said(here, SEEN["register"])
    answer = await frame_of(sock)
    found = re.search(rb'ClaimId = "([0-9a-f]+)"', answer)
    assert found is not None
    theirs = b"127.0.0.1:19638?addrs=127.0.0.1-19638&alias=vm&noUDP&sock=collector#412"
    expected = {theirs: f"{here.own}#1".encode(), b"3329042313": found[1]}
    assert answer == changed(SEEN["registered"], expected)
    return sock


def test_a_schedd_is_dialled_for_condor_q(loop: str) -> None:
    async def scenario() -> None:
        async with site() as here:
            schedd = await registered(here)
            asked = changed(SEEN["request"], {b'"412"': b'"1"'})
            tool = await said(here, SEEN["connect"], asked)
            port = b"%d" % tool.getsockname()[1]
            forwarded = await frame_of(schedd)
            assert forwarded == changed(
                SEEN["forwarded"], {b"127.0.0.1:37711": b"127.0.0.1:" + port}
            )
            await asyncio.get_running_loop().sock_sendall(schedd, SEEN["result"])
            assert await frame_of(tool) == SEEN["answer"]
            assert await asyncio.get_running_loop().sock_recv(tool, 1) == b""
            for sock in (schedd, tool):
                sock.close()

    run(loop, scenario())


def test_a_schedd_is_alive(loop: str) -> None:
    async def scenario() -> None:
        async with site() as here:
            with await registered(here) as schedd:
                await asyncio.get_running_loop().sock_sendall(schedd, SEEN["alive"])
                assert await frame_of(schedd) == SEEN["alive"]

    run(loop, scenario())


def test_a_stream_is_begun_as_a_real_broker_begins_it(loop: str) -> None:
    async def scenario() -> None:
        async with site() as here:
            schedd = await registered(here)
            bench = await said(here, changed(SEEN["stream request"], {b'"311"': b'"1"'}))
            at = b"127.0.0.1:%d" % bench.getsockname()[1]
            theirs = b"127.0.0.1:19638?addrs=127.0.0.1-19638&alias=vm&noUDP&sock=collector"
            own = here.own.encode()
            forwarded = await frame_of(schedd)
            changes = {b"127.0.0.1:43281": at, theirs: own, b'"96055"': b'"1"'}
            assert forwarded == changed(SEEN["stream forwarded"], changes)
            # What the listener then says, with our address and number.
            hello = changed(SEEN["stream hello"], {theirs: own, b'"96055"': b'"1"'})
            leg = await said(here, hello)
            assert await frame_of(bench) == SEEN["stream begins"]
            assert await frame_of(bench) == hello
            for sock in (schedd, bench, leg):
                sock.close()

    run(loop, scenario())
