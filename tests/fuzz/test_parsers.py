"""Everything that reads bytes or text from outside, given anything at all: it answers with a value,
or with an error that says whose fault it is, and in bounded room. `make fuzz` tries for longer."""

from __future__ import annotations

import base64
from hashlib import sha256
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glasnost.core.address import Address
from glasnost.core.wire import header
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
from glasnost.errors import AddressError, ProtocolError, TrustError
from glasnost.trust.tokens import JoinToken
from tests.core.wire.vectors import CONVERSATIONS, KINDS, vectors

TAGS = [kind.__name__.lower() for kind in KINDS]
FIELDS = sorted({name for kind in KINDS for name in kind.__struct_fields__})

#: Values of MessagePack, nested.
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=20)
    | st.binary(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=10,
)

#: Maps that look like messages: a known kind, known fields, values that may fit.
lookalikes = st.builds(
    lambda fields, tag: msgspec.msgpack.encode(fields | {"t": tag}),
    st.dictionaries(st.sampled_from(FIELDS), values, max_size=6),
    st.sampled_from(TAGS) | st.text(max_size=8),
)


@st.composite
def damaged(draw: st.DrawFn, file: str) -> bytes:
    """Golden bytes with some of them changed, cut off or repeated."""
    data = bytearray(draw(st.sampled_from([vector.data for vector in vectors(file)])))
    for at, byte in draw(st.lists(st.tuples(st.integers(0, len(data) - 1), st.integers(0, 255)))):
        data[at] = byte
    start, end = sorted(draw(st.tuples(*[st.integers(0, len(data))] * 2)))
    match draw(st.sampled_from(["keep", "cut", "repeat"])):
        case "cut":
            del data[start:end]
        case "repeat":
            data[start:start] = data[start:end]
    return bytes(data)


@given(st.binary(min_size=header.PREFIX_SIZE, max_size=header.PREFIX_SIZE), st.integers(1, 2))
def test_any_six_bytes_have_a_size_within_the_limit(prefix: bytes, kind: int) -> None:
    try:
        assert 0 <= header.body_size(prefix, kind) <= header.MAX_BODY
    except ProtocolError:
        return


@given(st.binary(max_size=600) | values.map(msgspec.msgpack.encode) | damaged("calls.json"))
def test_any_bytes_are_a_call_or_the_peers_fault(body: bytes) -> None:
    try:
        call = header.decode_call(body)
    except ProtocolError:
        return
    assert len(call.reply) in (0, header.TOKEN_SIZE)
    assert len(call.relay) in (0, header.TOKEN_SIZE)
    if len(body) <= header.MAX_BODY // 2:  # fields may be repeated, and are then written once
        assert header.decode_call(header.encode_call(call)[header.PREFIX_SIZE :]) == call


@given(st.binary(max_size=600) | damaged("answers.json"), st.binary(max_size=50))
def test_any_bytes_are_an_answer_or_part_of_one_or_the_peers_fault(
    data: bytes, tail: bytes
) -> None:
    try:
        answer = header.answer_in(data)
    except ProtocolError:
        return
    if answer is not None:
        assert header.answer_in(data + tail) == answer
    else:
        assert len(data) < header.PREFIX_SIZE + header.MAX_BODY


@given(st.text(max_size=40), st.text(st.characters(exclude_categories=[]), max_size=700))
def test_any_reason_can_be_said(code: str, why: str) -> None:
    answer = header.answer_in(header.encode_answer(header.Answer(code, why)))
    assert answer is not None
    assert answer.code == code


@given(st.lists(st.binary(max_size=40)), st.data())
def test_frames_survive_any_cutting(bodies: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(map(encode_frame, bodies))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)))))
    reader, found = FrameReader(), []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += reader.feed(stream[start:end])
    assert found == bodies
    assert reader.pending == 0


@given(st.lists(st.binary(max_size=100)))
def test_any_bytes_are_frames_or_the_peers_fault(chunks: list[bytes]) -> None:
    reader, whole = FrameReader(limit=50), 0
    try:
        for chunk in chunks:
            whole += sum(len(body) + 4 for body in reader.feed(chunk))
            assert reader.pending < 54
    except ProtocolError:
        return
    assert whole + reader.pending == sum(map(len, chunks))


@pytest.mark.parametrize("conversation", CONVERSATIONS)
@given(st.binary(max_size=200) | lookalikes | damaged("messages.json"))
def test_any_bytes_are_a_message_or_the_peers_fault(conversation: str, body: bytes) -> None:
    codec = Codec(CONVERSATIONS[conversation])
    try:
        message = codec.decode(body)
    except ProtocolError:
        return
    assert isinstance(message, Message)
    if isinstance(message, Unreadable):
        assert len(encode(Failed(id=message.id, why=message.why))) < 2000
    else:
        # (Not ==: a message may hold numbers that are not equal to themselves.)
        assert repr(codec.decode(encode(message))) == repr(message)


@given(
    st.binary(max_size=200)
    | st.dictionaries(st.sampled_from(["name", "address", "reach", "labels", "v"]), values).map(
        msgspec.msgpack.encode
    )
    | damaged("records.json")
)
def test_any_payload_is_a_record_or_its_owners_fault(payload: bytes) -> None:
    try:
        record = decode_record(payload)
    except ProtocolError:
        return
    assert decode_record(encode_record(record)) == record


#: Texts that look like addresses more often than not.
address_like = st.lists(
    st.sampled_from(
        [
            "public",
            "ip4",
            "ip6",
            "service",
            "ccb",
            "reach",
            "192.0.2.1",
            "[::1]",
            "9618",
            *":/,=%[]+@",
            "Must",
        ]
    )
    | st.text(max_size=3),
    max_size=30,
).map("".join)


@given(st.text(max_size=200) | address_like)
def test_any_text_is_an_address_or_says_where_it_is_none(text: str) -> None:
    try:
        address = Address.parse(text)
    except AddressError as error:
        found = error
    else:
        assert Address.parse(str(address)) == address
        assert "\n" not in str(address)
        assert str(address).isascii()
        return
    assert 1 <= found.column <= len(text) + 1
    assert found.expected


def armoured(body: bytes) -> str:
    """A token's text around any body, its checksum right."""
    data = body + sha256(body).digest()[:4]
    return "glasnost-join-1." + base64.urlsafe_b64encode(data).decode().rstrip("=")


TOKEN: dict[str, Any] = {
    "pool": "lab",
    "domain": "lab.glasnost.internal",
    "node": "node7",
    "authority": "public/ip4:203.0.113.9:9618",
    "fingerprint": bytes(32),
    "id": "4f2a91",
    "secret": bytes(16),
    "not_after": 1_750_000_000,
}


@given(
    st.text(max_size=200)
    | st.text("glasnostj-1.AB_=", max_size=60).map("glasnost-join-1.".__add__)
    | st.binary(max_size=100).map(armoured)
    | st.dictionaries(st.sampled_from(sorted(TOKEN)), values).map(
        lambda changed: armoured(msgspec.msgpack.encode(TOKEN | changed))
    )
)
def test_any_text_is_a_join_token_or_one_sentence(text: str) -> None:
    try:
        token = JoinToken.parse(text)
    except TrustError as error:
        sentence = str(error)
    else:
        assert JoinToken.parse(str(token)) == token
        return
    assert "\n" not in sentence
    assert len(sentence) < 200
