"""A peer of version 1: it writes the frozen vectors' bytes, and reads as version 1 read.

Nothing of src writes or reads its messages: they are made of `tests/vectors/1`, with some values
replaced. It ignores fields that it does not know and answers messages that it does not know, as
docs/protocol said then. Its TLS names no version.
"""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Any

import msgspec

from glasnost.net.tls import TlsTransport, secure
from glasnost.trust.credentials import Credentials
from tests.core.wire.vectors import FOLDER, vectors

_TEMPLATES: dict[str, dict[str, Any]] = {
    vector.name: msgspec.msgpack.decode(vector.data) for vector in vectors("1/messages.json")
}
_KNOWN: dict[str, list[str]] = json.loads((FOLDER / "1/conversations.json").read_bytes())
_CALLS = {vector.name: vector.data for vector in vectors("1/calls.json")}
ACCEPTED = b"\0"


def said(vector: str, /, **values: Any) -> bytes:
    """The message of the vector with that name, some of its values replaced."""
    return msgspec.msgpack.encode(_TEMPLATES[vector] | values)


def call(vector: str, /, **values: Any) -> bytes:
    """A header of version 1: the vector's own bytes, or with some values replaced."""
    data = _CALLS[vector]
    if not values:
        return data
    body = msgspec.msgpack.encode(msgspec.msgpack.decode(data[6:]) | values)
    return data[:4] + len(body).to_bytes(2, "big") + body


def record(vector: str, /, **values: Any) -> bytes:
    """A record's payload of version 1."""
    [template] = [one for one in vectors("1/records.json") if one.name == vector]
    return msgspec.msgpack.encode(msgspec.msgpack.decode(template.data) | values)


class OldPeer:
    """One end of a control connection. ``knows`` names its conversation."""

    def __init__(self, transport: TlsTransport, knows: str) -> None:
        self._known = frozenset(_KNOWN[knows])
        self._reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(self._reader)
        transport.attach(protocol)
        self._transport = transport
        self.greased = 0  # messages that had a field which nobody knows

    @classmethod
    async def connect(
        cls, sock: socket.socket, credentials: Credentials, name: str | None, knows: str
    ) -> OldPeer:
        """Be the client, and be let in (its TLS takes the server's status off the stream)."""
        context = credentials.client_context(check_hostname=name is not None)
        return cls(await secure(sock, context, server_name=name), knows)

    @classmethod
    async def accept(cls, sock: socket.socket, credentials: Credentials, knows: str) -> OldPeer:
        """Be the server, and let the client in."""
        context = credentials.server_context(require_client=knows != "authority")
        transport = await secure(sock, context, server_side=True)
        transport.write(ACCEPTED)
        return cls(transport, knows)

    def say(self, vector: str, /, **values: Any) -> None:
        body = said(vector, **values)
        self._transport.write(len(body).to_bytes(4, "big") + body)

    async def hear(self) -> dict[str, Any]:
        """The next message that version 1 knows; what it does not know it answers."""
        async with asyncio.timeout(20):
            while True:
                size = int.from_bytes(await self._reader.readexactly(4), "big")
                message = msgspec.msgpack.decode(await self._reader.readexactly(size))
                assert isinstance(message, dict)
                self.greased += any(key.startswith("grease") for key in message)
                if message["t"] in self._known:
                    return message
                self.say("Failed", id=message.get("id", 0), code="unknown-message", why="?")

    async def ask(self, vector: str, /, **values: Any) -> dict[str, Any]:
        """Say it, and hear what comes next."""
        self.say(vector, **values)
        return await self.hear()

    def close(self) -> None:
        self._transport.close()
