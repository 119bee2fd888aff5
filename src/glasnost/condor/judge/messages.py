"""What is said between the process that evaluates and who started it.

MessagePack with its length before it: a `Work`, then its `Verdict`.
"""

from __future__ import annotations

import struct
from typing import Final

import msgspec

LENGTH: Final = struct.Struct(">I")


class Verdict(msgspec.Struct):
    """What comes of some work: for each row whether the expression holds, or why not even that."""

    holds: list[bool] = []
    refused: str = ""


def written(message: object) -> bytes:
    data = msgspec.msgpack.encode(message)
    return LENGTH.pack(len(data)) + data
