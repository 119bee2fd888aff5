"""Fields and messages that nobody knows: sent by count, and borne by every reader."""

from __future__ import annotations

import msgspec
import pytest

from glasnost.core.wire import grease, header
from glasnost.core.wire.header import TOKEN_SIZE, Call
from glasnost.core.wire.messages import Codec, Message, Ping, Unreadable, encode
from tests.core.wire.vectors import ANY, CONVERSATIONS, Vector, vectors

NUMBERS = range(2 * len(grease._VALUES))


@pytest.mark.parametrize("vector", vectors("messages.json"), ids=repr)
def test_every_message_is_the_same_with_it(vector: Vector) -> None:
    plain = msgspec.msgpack.decode(vector.data)
    for number in NUMBERS:
        body = grease.with_field(vector.data, number)
        assert set(msgspec.msgpack.decode(body)) - set(plain) == {f"grease-{number}"}
        assert Codec(ANY).decode(body) == vector.read(ANY)


def test_it_goes_by_count_beginning_with_the_first() -> None:
    greased, body = grease.Grease(), encode(Ping())
    sent = [greased(body) for _ in range(3 * grease.EVERY)]
    assert [at for at, one in enumerate(sent) if one != body] == [
        0,
        grease.EVERY,
        2 * grease.EVERY,
    ]
    assert len(set(sent)) == 4  # each time another field


@pytest.mark.parametrize(
    "body",
    [
        msgspec.msgpack.encode({str(key): key for key in range(15)}),
        msgspec.msgpack.encode({str(key): key for key in range(20)}),
        msgspec.msgpack.encode({"t": "x" * 5000}),
        msgspec.msgpack.encode([1]),
    ],
    ids=["a full map", "a longer map", "a long message", "no map"],
)
def test_what_has_no_room_for_it_stays_as_it_is(body: bytes) -> None:
    assert grease.with_field(body, 1) == body


@pytest.mark.parametrize("conversation", CONVERSATIONS)
def test_a_message_that_nobody_knows_can_be_answered(conversation: str) -> None:
    message = Codec(CONVERSATIONS[conversation]).decode(grease.unknown_message(9))
    assert isinstance(message, Unreadable)
    assert (message.id, message.since) == (9, Message.since)


def test_calls_with_a_token_have_it_now_and_then() -> None:
    calls = [Call(relay=bytes([first]) + bytes(TOKEN_SIZE - 1)) for first in range(256)]
    sent = [header.encode_greased(call) for call in calls]
    for call, data in zip(calls, sent, strict=True):
        size = header.body_size(data[: header.PREFIX_SIZE], header.CALL)
        assert size == len(data) - header.PREFIX_SIZE
        assert header.decode_call(data[header.PREFIX_SIZE :]) == call
    differ = [data != header.encode_call(call) for call, data in zip(calls, sent, strict=True)]
    assert sum(differ) == len(calls) // grease.EVERY
    assert header.encode_greased(Call(to="web")) == header.encode_call(Call(to="web"))


def test_the_longest_call_has_room_for_it() -> None:
    call = Call(to="x" * 253, reply=bytes(TOKEN_SIZE), relay=bytes(TOKEN_SIZE))
    assert len(header.encode_greased(call)) < header.MAX_BODY
