"""The header in the clear: golden bytes, limits, and what is none."""

from __future__ import annotations

import msgspec
import pytest

from glasnost.core.wire import header
from glasnost.core.wire.header import Answer, Call
from glasnost.errors import ProtocolError
from tests.core.wire.vectors import Vector, vectors

CALLS, ANSWERS = vectors("calls.json"), vectors("answers.json")


@pytest.mark.parametrize("vector", CALLS, ids=repr)
def test_calls_are_these_bytes(vector: Vector) -> None:
    call, data = vector.read(Call), vector.data
    assert header.encode_call(call) == data
    assert header.body_size(data[:6], header.CALL) == len(data) - 6
    assert header.decode_call(data[6:]) == call


@pytest.mark.parametrize("vector", ANSWERS, ids=repr)
def test_answers_are_these_bytes(vector: Vector) -> None:
    answer, data = vector.read(Answer), vector.data
    assert header.encode_answer(answer) == data
    assert header.answer_in(data) == answer
    assert header.answer_in(data + b"behind it") == answer
    assert [header.answer_in(data[:end]) for end in range(len(data))] == [None] * len(data)


def test_fields_to_come_are_ignored() -> None:
    body = msgspec.msgpack.encode({"later": [1, {"a": None}], "to": "web"})
    assert header.decode_call(body) == Call(to="web")
    body = msgspec.msgpack.encode({"why": "no", "later": b"x", "code": "busy"})
    assert header.decode_answer(body) == Answer("busy", "no")


def test_the_first_byte_opens_no_other_conversation() -> None:
    first = header.MAGIC[0]
    assert first not in b"\x16\x80"  # TLS, SSL 2
    assert first not in b"\x04\x05"  # SOCKS
    assert not 0x20 <= first < 0x7F  # HTTP, SSH, SMTP: anything that begins with a letter
    assert header.ACCEPTED[0] != first


PREFIXES = [
    (b"GET / ", "these bytes open no Glasnost header: 47 45 54"),
    (b"\xabG\x02\x01\x00\x00", "header version 2 is not spoken here"),
    (b"\xabG\x01\x02\x00\x00", "header kind 2 where 1 was expected"),
    (b"\xabG\x01\x01\x02\x01", "513 bytes exceeds the limit of 512"),
]


@pytest.mark.parametrize("prefix, why", PREFIXES)
def test_prefixes_that_are_none(prefix: bytes, why: str) -> None:
    with pytest.raises(ProtocolError, match=why):
        header.body_size(prefix, header.CALL)


def test_the_longest_body_is_read() -> None:
    assert header.body_size(b"\xabG\x01\x01\x02\x00", header.CALL) == header.MAX_BODY


BODIES = [
    b"",
    b"\xc1",
    b"\x01",
    b"\x81\xa2to\x01",
    b"\x81\xa2to\xa3we",
    b"\x81\xa2to\xa1\xff",
    b"\x80\x80",
    b"\x91" * 512,
]


@pytest.mark.parametrize("body", BODIES)
def test_bodies_that_are_none(body: bytes) -> None:
    with pytest.raises(ProtocolError, match="unreadable header"):
        header.decode_call(body)


@pytest.mark.parametrize("size", [1, 15, 17, 300])
@pytest.mark.parametrize("field", ["reply", "relay"])
def test_tokens_have_one_size(field: str, size: int) -> None:
    with pytest.raises(ProtocolError, match=f"a token of {size} bytes where 16"):
        header.decode_call(msgspec.msgpack.encode({field: bytes(size)}))


def test_an_answer_that_can_be_none_is_refused_before_it_is_whole() -> None:
    with pytest.raises(ProtocolError):
        header.answer_in(b"\xabGarba")


@pytest.mark.parametrize("letter", ["x", "é", "語", "🌍"])
def test_a_reason_of_any_length_fits(letter: str) -> None:
    answer = header.answer_in(header.encode_answer(Answer("busy", letter * 5000)))
    assert answer is not None
    assert answer.why.strip(letter) == "…"
    assert header.MAX_WHY - 7 < len(answer.why.encode()) <= header.MAX_WHY


def test_a_reason_may_name_a_file_whose_name_is_no_text() -> None:
    name = b"/run/\xff.sock".decode("utf-8", "surrogateescape")
    assert header.answer_in(header.encode_answer(Answer("no", name))) == Answer("no", "/run/?.sock")


def test_a_call_that_is_too_long_is_refused_here() -> None:
    with pytest.raises(ProtocolError, match="exceeds"):
        header.encode_call(Call(to="x" * 600))
