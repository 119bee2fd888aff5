"""Messages: golden bytes, fields to come, and what a conversation does not know."""

from __future__ import annotations

import msgspec
import pytest

from glasnost.core.wire.frames import MAX_FRAME, encode_frame
from glasnost.core.wire.messages import (
    BROKER,
    DIRECTORY,
    QUESTIONS,
    Codec,
    Done,
    Failed,
    Message,
    Record,
    Register,
    Unreadable,
    decode_record,
    encode,
    encode_record,
)
from glasnost.errors import ProtocolError
from tests.core.wire.vectors import ANY, CONVERSATIONS, KINDS, Vector, conversations, vectors

MESSAGES, RECORDS = vectors("messages.json"), vectors("records.json")
EVERYTHING = Codec(ANY)
LATER = {"later": {"of": [1, 2.5, None, b"x"]}}


def test_the_table_knows_every_message() -> None:
    assert {type(vector.read(ANY)) for vector in MESSAGES} == set(KINDS)


@pytest.mark.parametrize("vector", MESSAGES, ids=repr)
def test_messages_are_these_bytes(vector: Vector) -> None:
    message = vector.read(ANY)
    assert encode(message) == vector.data
    assert EVERYTHING.decode(vector.data) == message


@pytest.mark.parametrize("vector", MESSAGES, ids=repr)
def test_fields_to_come_are_ignored_wherever_they_stand(vector: Vector) -> None:
    fields = msgspec.msgpack.decode(vector.data)
    for later in (LATER | fields, fields | LATER):
        assert EVERYTHING.decode(msgspec.msgpack.encode(later)) == vector.read(ANY)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_message_is_read_where_it_belongs_and_answered_elsewhere(kind: type[Message]) -> None:
    assert conversations(kind), "said nowhere"
    for name, union in CONVERSATIONS.items():
        found = Codec(union).decode(encode(msgspec.structs.replace(kind(), id=9)))
        if name in conversations(kind):
            assert found == msgspec.structs.replace(kind(), id=9)
        else:
            assert isinstance(found, Unreadable)
            assert found.id == 9
            assert found.why.startswith(f"message '{kind.__name__.lower()}' is not understood")


def test_questions_are_messages_and_answers_are_none() -> None:
    assert set(QUESTIONS) < set(KINDS)
    assert not {Failed, Done} & set(QUESTIONS)


UNREADABLE = [
    ("a kind to come", {"t": "teleport", "id": 4}, 4),
    ("a kind to come without a number", {"t": "teleport"}, 0),
    ("a field of another type", {"t": "registered", "id": 5, "lease": "long"}, 5),
    ("a field too deep", {"t": "request", "id": 6, "returns": [["x"]]}, 6),
]


@pytest.mark.parametrize("name, fields, number", UNREADABLE, ids=[case[0] for case in UNREADABLE])
def test_what_is_not_understood_can_be_answered(
    name: str, fields: dict[str, object], number: int
) -> None:
    found = Codec(BROKER).decode(msgspec.msgpack.encode(fields))
    assert isinstance(found, Unreadable)
    assert found.id == number


GARBAGE = [
    b"",
    b"\xc1",
    b"\x90",
    b"\x80",
    b"\x81\xa1t\x01",
    b"\x91" * 100_000,
    b"\xdf\xff\xff\xff\xff",
]


@pytest.mark.parametrize("body", GARBAGE, ids=[body[:8].hex() for body in GARBAGE])
def test_what_cannot_even_be_answered(body: bytes) -> None:
    with pytest.raises(ProtocolError, match="unreadable message"):
        Codec(DIRECTORY).decode(body)


def test_an_answer_to_what_is_not_understood_is_short() -> None:
    body = msgspec.msgpack.encode({"t": "\x00" * (MAX_FRAME - 20)})
    found = Codec(BROKER).decode(body)
    assert isinstance(found, Unreadable)
    assert len(found.why) < 500
    encode_frame(encode(Failed(why=found.why)))


def test_absent_and_empty_are_not_the_same() -> None:
    with_nothing = Record("web.n1", "public/ip4:192.0.2.1:1", reach=())
    unknown = Record("web.n1", "public/ip4:192.0.2.1:1")
    assert decode_record(encode_record(with_nothing)).reach == ()
    assert decode_record(encode_record(unknown)).reach is None


@pytest.mark.parametrize("vector", RECORDS, ids=repr)
def test_records_are_these_bytes(vector: Vector) -> None:
    record = vector.read(Record)
    assert encode_record(record) == vector.data
    assert decode_record(vector.data) == record
    later = msgspec.msgpack.encode(msgspec.msgpack.decode(vector.data) | LATER)
    assert decode_record(later) == record


@pytest.mark.parametrize("payload", [b"", b"\x80", b"\x81\xa4name\x01", b"\x91" * 100_000])
def test_payloads_that_are_no_record(payload: bytes) -> None:
    with pytest.raises(ProtocolError, match="unreadable record"):
        decode_record(payload)


def test_defaults_take_no_room() -> None:
    assert encode(Register()) == b"\x81\xa1t\xa8register"
