"""Parsers of what stands on the wire: header, frames, messages, records."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from hypothesis import strategies as st

from glasnost.core.wire import grease, header, small, versions
from glasnost.core.wire.frames import FrameReader, encode_frame
from glasnost.core.wire.messages import (
    Codec,
    Failed,
    Message,
    Unreadable,
    decode_record,
    encode,
    encode_record,
)
from glasnost.errors import ProtocolError, Refused
from tests.core.wire.vectors import CONVERSATIONS, vectors
from tests.fuzz.parser import Parser, chunks, mutated, remade, text_of, texts

CALLS = [vector.data for vector in vectors("calls.json")]
ANSWERS = [vector.data for vector in vectors("answers.json")]
RECORDS = [vector.data for vector in vectors("records.json")]
MESSAGES = [vector.data for vector in vectors("messages.json")]
_WIRE = "glasnost.core.wire"


def bodies(headers: Iterable[bytes]) -> list[bytes]:
    return [data[header.PREFIX_SIZE :] for data in headers]


def check_prefix(data: bytes) -> bool:
    prefix, kind = data[:-1].ljust(header.PREFIX_SIZE, b"\0")[: header.PREFIX_SIZE], data[-1:]
    try:
        size = header.body_size(prefix, header.CALL if kind < b"\x80" else header.ANSWER)
    except ProtocolError:
        return False
    assert 0 <= size <= header.MAX_BODY
    return True


def check_call(body: bytes) -> bool:
    try:
        call = header.decode_call(body)
    except ProtocolError:
        return False
    assert len(call.reply) in (0, header.TOKEN_SIZE)
    assert len(call.relay) in (0, header.TOKEN_SIZE)
    if len(body) <= header.MAX_BODY // 2:  # fields may be repeated, and are then written once
        assert header.decode_call(header.encode_call(call)[header.PREFIX_SIZE :]) == call
    return True


def check_answer(data: bytes) -> bool:
    try:
        answer = header.answer_in(data)
    except ProtocolError:
        return False
    if answer is None:
        assert len(data) < header.PREFIX_SIZE + header.MAX_BODY
        return False
    assert header.answer_in(data + b"behind it") == answer
    if answer.code.isascii() and len(answer.code) < 100:
        again = header.answer_in(header.encode_answer(answer))
        assert again is not None
        assert again.code == answer.code
    return True


def check_frames(data: bytes) -> bool:
    """However the bytes are cut, the same frames come out, and what waits is bounded."""
    reader, whole = FrameReader(limit=50), 0
    try:
        for chunk in chunks(data):
            whole += sum(len(body) + 4 for body in reader.feed(chunk))
            assert reader.pending < 54
    except ProtocolError:
        return False
    assert whole + reader.pending == len(data)
    return whole > 0


def check_message(conversation: str, body: bytes) -> bool:
    codec = _codec(conversation)
    try:
        message = codec.decode(body)
    except ProtocolError:
        return False
    assert isinstance(message, Message)
    if isinstance(message, Unreadable):
        assert len(encode(Failed(id=message.id, why=message.why))) < 2000
        return False
    # (Not ==: a message may hold numbers that are not equal to themselves.)
    assert repr(codec.decode(encode(message))) == repr(message)
    assert repr(codec.decode(grease.with_field(encode(message), 3))) == repr(message)
    return True


@functools.cache
def _codec(conversation: str) -> Codec:
    return Codec(CONVERSATIONS[conversation])


def said_in(conversation: str) -> list[bytes]:
    codec = _codec(conversation)
    return [body for body in MESSAGES if not isinstance(codec.decode(body), Unreadable)]


def check_small(body: bytes) -> bool:
    """What the small reader takes, the library understands in the same way."""
    try:
        fields = small.unpack(body)
    except ProtocolError:
        return False
    with contextlib.suppress(msgspec.DecodeError, RecursionError):  # it looks less deep
        assert repr(msgspec.msgpack.decode(body)) == repr(fields)
    return True


def check_record(payload: bytes) -> bool:
    try:
        record = decode_record(payload)
    except ProtocolError:
        return False
    assert decode_record(encode_record(record)) == record
    return True


def check_versions(offer: tuple[str, int, int]) -> bool:
    protocol, oldest, newest = offer
    taken = True
    ways: list[Callable[[], int]] = [
        lambda: versions.agreed(protocol),
        lambda: versions.choose(oldest, newest),
    ]
    for agree in ways:
        try:
            assert agree() in versions.SPOKEN
        except Refused as refused:
            assert refused.code == "version"
            assert len(refused.why) < 200
            taken = False
    return taken


def _messages(conversation: str) -> Parser:
    said = said_in(conversation)
    return Parser(
        f"messages: {conversation}",
        (f"{_WIRE}.messages.codec.Codec.decode", f"{_WIRE}.messages.codec._explain"),
        functools.partial(check_message, conversation),
        st.binary(max_size=200) | mutated(said) | remade(said),
        seeds=lambda: said,
    )


def _offer(data: bytes) -> tuple[str, int, int]:
    return text_of(data[2:]), data[0] - 100 if data else 0, data[1] if len(data) > 1 else 0


def _framed(bodies: Iterable[bytes]) -> list[bytes]:
    return [encode_frame(body[:50]) * 3 for body in bodies]


_HEADER: Any = st.binary(max_size=header.PREFIX_SIZE + 1)

PARSERS = [
    Parser(
        "header: prefix",
        (f"{_WIRE}.header.body_size",),
        check_prefix,
        _HEADER | mutated(data[:6] + b"\0" for data in CALLS + ANSWERS),
        seeds=lambda: [data[:6] + b"\0" for data in CALLS + ANSWERS],
    ),
    Parser(
        "header: call",
        (f"{_WIRE}.header.decode_call", f"{_WIRE}.header._decode"),
        check_call,
        st.binary(max_size=600) | mutated(bodies(CALLS)) | remade(bodies(CALLS)),
        seeds=lambda: bodies(CALLS),
    ),
    Parser(
        "header: answer",
        (f"{_WIRE}.header.decode_answer",),
        check_answer,
        st.binary(max_size=600)
        | mutated(ANSWERS)
        | remade(bodies(ANSWERS)).map(
            lambda body: header.MAGIC + b"\1\2" + len(body).to_bytes(2, "big") + body
        ),
        seeds=lambda: ANSWERS,
    ),
    Parser(
        "frames",
        (f"{_WIRE}.frames.FrameReader.feed",),
        check_frames,
        st.binary(max_size=300) | mutated(_framed(MESSAGES)),
        seeds=lambda: _framed(MESSAGES),
    ),
    *map(_messages, CONVERSATIONS),
    Parser(
        "small messages",
        (f"{_WIRE}.small.unpack", f"{_WIRE}.small._value"),
        check_small,
        st.binary(max_size=300) | mutated(MESSAGES) | remade(MESSAGES),
        seeds=lambda: MESSAGES,
    ),
    Parser(
        "records",
        (f"{_WIRE}.messages.records.decode_record",),
        check_record,
        st.binary(max_size=300) | mutated(RECORDS) | remade(RECORDS),
        seeds=lambda: RECORDS,
    ),
    Parser(
        "versions",
        (f"{_WIRE}.versions.agreed", f"{_WIRE}.versions.choose"),
        check_versions,
        st.tuples(
            st.text(max_size=12) | texts(versions.RECOGNISED), st.integers(), st.integers(-3, 5)
        ),
        of=_offer,
        seeds=lambda: [b"\x65\x02glasnost/2"],
    ),
]
