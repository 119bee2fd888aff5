"""The small reader and writer of messages, held to what the library reads and writes."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glasnost.core.wire import grease
from glasnost.core.wire.messages import LOCAL, Codec, Dial, Dialled, Failed, encode
from glasnost.core.wire.small import pack, unpack
from glasnost.errors import ProtocolError

NUMBERS = [0, 1, 127, 128, 255, 256, 65535, 65536, 2**32, 2**64 - 1, -1, -32, -33, -129, -(2**63)]
VALUES: list[Any] = [
    *(None, True, False, 0.5, -1e308, math.inf, *NUMBERS),
    *("", "web", "é" * 16, "x" * 31, "x" * 32, "x" * 256, "x" * 70_000),
    *(b"", b"\xff", b"x" * 256, b"x" * 70_000),
    *([], [1, [2]], [0] * 16, [0] * 70_000, {}, {"a": {"b": 1}}),
    *({str(n): n for n in range(16)}, {str(n): n for n in range(70_000)}),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: repr(value)[:20])
def test_every_kind_of_value_is_read(value: Any) -> None:
    assert unpack(msgspec.msgpack.encode({"t": "x", "value": value})) == {"t": "x", "value": value}


@given(
    st.dictionaries(
        st.text(max_size=40),
        st.text(max_size=300) | st.integers(0, 127) | st.floats(allow_nan=False),
        max_size=15,
    )
)
def test_what_is_written_is_read_by_both(fields: dict[str, Any]) -> None:
    data = pack(**fields)
    assert msgspec.msgpack.decode(data) == fields
    assert unpack(data) == fields


def test_the_messages_of_a_dial() -> None:
    dial = pack(t="dial", id=1, name="web.node7", timeout=20.0)
    assert Codec(LOCAL).decode(dial) == Dial(id=1, name="web.node7", timeout=20.0)
    answer = Dialled(id=1, full="web.node7.lab", protection="plain", route="by public/ip4:1.2.3.4")
    assert unpack(encode(answer))["protection"] == "plain"
    failed = Failed(id=1, code="unknown-name", why="é" * 8000)
    assert unpack(encode(failed)) == {
        "t": "failed",
        "id": 1,
        "code": failed.code,
        "why": failed.why,
    }


def test_fields_that_nobody_knows_do_not_matter() -> None:
    answer = encode(Dialled(id=1, protection="plain"))
    for number in range(7):
        assert unpack(grease.with_field(answer, number))["protection"] == "plain"


UNREADABLE = [
    ("empty", b"", "it is cut"),
    ("cut in a key", bytes.fromhex("81a3"), "it is cut"),
    ("cut in a length", bytes.fromhex("81a174da01"), "it is cut"),
    ("cut in a number", bytes.fromhex("81a174cd01"), "it is cut"),
    ("no text", bytes.fromhex("81a174a1ff"), "can't decode"),
    ("no map", bytes.fromhex("91c0"), "no map with texts as keys"),
    ("a number as key", bytes.fromhex("8101c0"), "no map with texts as keys"),
    ("a list as key", bytes.fromhex("8190c0"), "unhashable"),
    ("an extension", bytes.fromhex("81a174d40100"), "a value of no known kind (0xd4)"),
    ("more behind it", bytes.fromhex("80c0"), "bytes behind its end"),
    ("nested without end", b"\x81\xa1t" + b"\x91" * 100_000, "recursion"),
]


@pytest.mark.parametrize(
    "data, why", [case[1:] for case in UNREADABLE], ids=[c[0] for c in UNREADABLE]
)
def test_what_is_no_message_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        unpack(data)
    assert why in str(caught.value)
