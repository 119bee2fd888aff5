"""Conversations that were recorded with HTCondor 25.14.1 at one end, to be had again.

Either side can be ours. What is random is told to it as it was then, and what it says must be what
was said: every byte on the wire is compared, those that AES has sealed included. Only the order of
an ad's attributes is the other program's: where ours is the same ad otherwise, its order goes out.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import functools
import json
import os
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

from glasnost.condor.cedar.values import Reader, Writer
from glasnost.condor.classad import Ad
from glasnost.condor.commands import Command
from glasnost.condor.security.keys import Exchange
from glasnost.condor.stream import CedarStream
from glasnost.errors import ProtocolError
from tests.condor.cedar.vectors import FOLDER

CLIENT, SERVER = "client->server", "server->client"
#: Attributes whose order within is nobody's concern.
SETS = {"ValidCommands"}


@dataclass(frozen=True)
class Frame:
    """One message, which was one packet in all of them."""

    by: str
    wire: bytes
    plain: bytes

    @property
    def encrypted(self) -> bool:
        return self.plain not in self.wire


@dataclass
class Connection:
    """What was said on one connection, and what was secret of it."""

    frames: list[Frame]
    secrets: dict[str, Any]

    def first_ad(self, by: str) -> Ad:
        """The first ad that a side has said."""
        first = next((one for one in self.frames if one.by == by), None)
        if first is None:
            return Ad()
        reader = Reader(first.plain)
        if by == CLIENT:
            reader.integer()
        return Ad.from_lines(reader.ad())


@dataclass
class Conversation:
    name: str
    connections: list[Connection]
    facts: dict[str, Any]

    def __repr__(self) -> str:
        return self.name


@functools.cache
def conversations() -> list[Conversation]:
    return list(_read())


def _read() -> Iterator[Conversation]:
    for file in ("conversations.json", "real_collector_sessions.json"):
        for found in json.loads((FOLDER / file).read_text("utf-8"))["conversations"]:
            connections = [
                Connection([_frame(one) for one in connection["frames"]], connection)
                for connection in found.get("connections", [found])
            ]
            yield Conversation(found["name"], connections, found)


def _frame(found: dict[str, str]) -> Frame:
    plain = found.get("message_plaintext") or found["packet_plaintext"]
    return Frame(found["dir"], bytes.fromhex(found["frame"]), bytes.fromhex(plain))


# --- what was random ---------------------------------------------------------------------------


@dataclass
class RecordedExchange:
    """A half of a key whose private part nobody knows any more, but what came of it."""

    point: bytes
    secret: bytes
    peer: bytes

    def shared(self, peer: bytes) -> bytes:
        assert peer == self.peer
        return self.secret


@dataclass
class RecordedChance:
    """What one side drew, in order, by what it was for."""

    half: RecordedExchange
    drawn: dict[str, list[bytes]]
    names: dict[str, str]

    @classmethod
    def of(cls, connection: Connection, by: str) -> Self:
        frames = [frame for frame in connection.frames if frame.by == by]
        sealed = [frame for frame in frames if frame.encrypted]
        drawn = {"iv": [frame.wire[5:21] for frame in sealed[:1]] or [bytes(16)]}
        for frame in frames:
            if found := _random_of(frame.plain):
                who = "client" if by == CLIENT else "server"
                drawn.setdefault(f"idtokens {who}", found[-1:])
        nonce = base64.b64decode(_found(rb'Nonce = "([^"]+)"', frames))
        drawn["client nonce" if by == CLIENT else "server nonce"] = [nonce]
        secrets = connection.secrets
        key = secrets.get("sesskey") or secrets.get("aes_session_key") or ""
        drawn["session key"] = [bytes.fromhex(key)]
        names = {
            "sid": _found(rb'Sid = "([^"]+)"', frames),
            "fs": _found(rb"/tmp/FS_[0-9.]+_\d+_(\w+)_\0", frames),
        }
        return cls(_half(connection, by), drawn, names)

    def octets(self, size: int, what: str) -> bytes:
        found = self.drawn[what].pop(0)
        assert len(found) == size, what
        return found

    def name(self, what: str) -> str:
        return self.names[what]

    def exchange(self) -> Exchange:
        return self.half


def _found(pattern: bytes, frames: list[Frame]) -> str:
    matches = (re.search(pattern, frame.plain) for frame in frames)
    return next((match[1].decode() for match in matches if match), "")


def _random_of(plain: bytes) -> list[bytes]:
    """The fields of 256 bytes in a message of IDTOKENS, each behind its length."""
    marker = (256).to_bytes(8, "big")
    found = []
    at = plain.find(marker)
    while at >= 0:
        found.append(plain[at + 8 : at + 264])
        at = plain.find(marker, at + 264)
    return found


def _half(connection: Connection, by: str) -> RecordedExchange:
    def point(side: str) -> bytes:
        with contextlib.suppress(ProtocolError):
            ad = connection.first_ad(side)
            return base64.b64decode(str(ad.get("ECDHPublicKey", "")))
        return b""

    secrets = connection.secrets
    shared = secrets.get("ecdh_shared_secret_x") or secrets.get("shared") or ""
    other = SERVER if by == CLIENT else CLIENT
    return RecordedExchange(point(by), bytes.fromhex(shared), point(other))


# --- saying it again ---------------------------------------------------------------------------


class SayingAgain(CedarStream):
    """Our side of a recorded connection: what it sends must be what was sent."""

    def __init__(
        self, sock: socket.socket, chance: RecordedChance, expected: list[Frame], differs: set[str]
    ) -> None:
        super().__init__(sock, chance)
        self.expected = expected
        self.differs = differs

    async def send(self, writer: Writer, last: bool = True) -> None:
        said, frame = writer.take(), self.expected.pop(0)
        assert self.encrypted == frame.encrypted
        if said != frame.plain:
            ours, theirs = (parts(data, frame) for data in (said, frame.plain))
            for name in self.differs:
                ours[1].pop(name.lower(), None)
                theirs[1].pop(name.lower(), None)
            assert ours == theirs, (ours, theirs)
            writer.raw(frame.plain)
        else:
            writer.raw(said)
        await super().send(writer, last)


def parts(data: bytes, frame: Frame) -> tuple[list[int], dict[str, object]]:
    """A message that is an ad, with a command before it or none: whatever the ad's order."""
    reader = Reader(data, frame.encrypted)
    first = reader.integer()
    before = [first] if first == Command.DC_AUTHENTICATE else []
    reader.at = 8 * len(before)
    ad = Ad.from_lines(reader.ad())
    reader.end()
    values = {name.lower(): ad.text(name) for name in ad}
    return before, {
        name: sorted(text.strip('"').split(",")) if name in {one.lower() for one in SETS} else text
        for name, text in values.items()
    }


async def other_side(sock: socket.socket, frames: list[Frame], ours: str) -> None:
    """Say what the other side has said, when it said it, and compare what ours says."""
    loop = asyncio.get_running_loop()
    path = ""
    for frame in frames:
        if frame.by == ours:
            heard = b""
            while len(heard) < len(frame.wire):
                chunk = await loop.sock_recv(sock, len(frame.wire) - len(heard))
                assert chunk, f"it has closed where {frame.plain[:40]!r} was said"
                heard += chunk
            assert heard == frame.wire
            path = frame.plain[:-1].decode() if frame.plain.startswith(b"/tmp/FS_") else path
        else:
            with directory(path + frame.plain[8:-1].decode() if path else ""):
                path = ""
                await loop.sock_sendall(sock, frame.wire)
                if frame.plain[8:12] == b"127.":
                    await readable(sock)


@contextlib.contextmanager
def directory(path: str) -> Iterator[None]:
    """What FS wants a client to make, while the server looks at it."""
    if not path:
        yield
        return
    os.mkdir(path, 0o700)
    try:
        yield
    finally:
        os.rmdir(path)


async def readable(sock: socket.socket) -> None:
    """The other side has answered."""
    loop = asyncio.get_running_loop()
    there = asyncio.Event()
    loop.add_reader(sock, there.set)
    try:
        await there.wait()
    finally:
        loop.remove_reader(sock)
