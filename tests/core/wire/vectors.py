"""Golden bytes from tests/vectors: one table for writers and readers."""

from __future__ import annotations

import functools
import operator
from pathlib import Path
from typing import Any

import msgspec

from glasnost.core.wire.messages import (
    AUTHORITY,
    BROKER,
    DIRECTORY,
    LOCAL,
    List,
    Message,
    Unreadable,
)

FOLDER = Path(__file__).parents[2] / "vectors"

#: Every kind of message that goes over a wire.
KINDS: list[type[Message]] = [
    kind for parent in (Message, List) for kind in parent.__subclasses__() if kind is not Unreadable
]

CONVERSATIONS: dict[str, Any] = {
    "broker": BROKER,
    "directory": DIRECTORY,
    "authority": AUTHORITY,
    "local agent": LOCAL,
}

#: Any message at all.
ANY = functools.reduce(operator.or_, KINDS)


class Vector(msgspec.Struct):
    name: str
    message: msgspec.Raw
    hex: str = msgspec.field(name="bytes")

    @property
    def data(self) -> bytes:
        return bytes.fromhex(self.hex)

    def read(self, kind: Any) -> Any:
        """The message that its JSON says."""
        return msgspec.json.decode(self.message, type=kind)

    def __repr__(self) -> str:
        return self.name


def vectors(file: str) -> list[Vector]:
    """Those of a file: ``messages.json``, or ``1/messages.json`` as version 1 wrote it."""
    return msgspec.json.decode((FOLDER / file).read_bytes(), type=list[Vector])


def conversations(kind: type[Message]) -> list[str]:
    """Where a message may be said."""
    return [name for name, union in CONVERSATIONS.items() if kind in union.__args__]
