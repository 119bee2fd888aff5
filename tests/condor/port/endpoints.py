"""HTCondor's daemons as far as the shared port knows them: who listens at a named socket, takes
connections as they take them, and closes."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from pathlib import Path

from glasnost.condor.port.connect import Connect
from glasnost.condor.stages import sock as stage

VECTORS = json.loads(Path("tests/vectors/condor/shared_port.json").read_text())
#: What the real one writes: a frame, and the byte that the descriptor comes with.
PASSED = VECTORS["shared_port_to_endpoint_unix_stream"]
PASS_SOCK = bytes.fromhex(PASSED["bytes_before_fd"])
WITH_IT = bytes.fromhex(PASSED["byte_sent_with_SCM_RIGHTS"])
BACKLOG = 16


def listen_at(place: Path | bytes, backlog: int = BACKLOG) -> socket.socket:
    """Listen at a file or, with bytes, at an abstract name."""
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(str(place) if isinstance(place, Path) else b"\0" + place)
    sock.listen(backlog)
    sock.settimeout(10)
    return sock


def take(listener: socket.socket, piecemeal: bool = True) -> socket.socket:
    """Take the next connection. ``piecemeal``: as HTCondor's own daemons, which read the message
    by itself, and would lose a descriptor that came with it."""
    through, _ = listener.accept()
    with through:
        through.settimeout(10)
        data = _exactly(through, 13) if piecemeal else b""
        passed: list[int] = []
        while not passed:
            more, fds, flags, _ = socket.recv_fds(through, 20, 4)
            assert more, "it ended without a descriptor"
            assert not flags & (socket.MSG_CTRUNC | socket.MSG_TRUNC)
            data, passed = data + more, passed + fds
        assert data == PASS_SOCK + WITH_IT and len(passed) == PASSED["fds"]
        [fd] = passed
    return socket.socket(fileno=fd)


def _exactly(sock: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        data += sock.recv(size - len(data)) or _cut()
    return data


def _cut() -> bytes:
    raise AssertionError("the unix connection ended too soon")


def message(body: bytes) -> bytes:
    """One frame."""
    return struct.pack(">BI", 1, len(body)) + body


def connect_message(connect: Connect) -> bytes:
    """What a client says first."""
    return stage.connect_message(connect.id, connect.deadline, connect.client)


async def let_go(sock: socket.socket) -> None:
    """It is closed without a word."""
    with sock:
        try:
            async with asyncio.timeout(10):
                assert await asyncio.get_running_loop().sock_recv(sock, 100) == b""
        except ConnectionResetError:
            pass  # something of ours was unread
