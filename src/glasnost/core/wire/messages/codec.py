"""Messages as bytes, and back."""

from __future__ import annotations

from typing import Any

import msgspec

from glasnost.core.wire.messages.base import Message
from glasnost.errors import ProtocolError

#: Characters of the decoder's reason that go back to who sent the message: a long sentence.
MAX_REASON = 200

_encoder = msgspec.msgpack.Encoder()


def encode(message: Message) -> bytes:
    """The bytes of one message."""
    return _encoder.encode(message)


class Codec:
    """Reads the messages of one conversation.

    >>> Codec(BROKER).decode(encode(Ping(id=7)))
    Ping(id=7)
    """

    def __init__(self, messages: Any) -> None:
        self._decoder: msgspec.msgpack.Decoder[Message] = msgspec.msgpack.Decoder(messages)

    def decode(self, body: bytes) -> Message:
        """One message, or `Unreadable` to answer. Raises `ProtocolError` when it is not even a
        map with an ``id``: then nobody can be answered."""
        try:
            return self._decoder.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            return _explain(body, str(error))


class Unreadable(Message, frozen=True):
    """Stands for a message that this conversation does not know, so that it can be answered."""

    why: str = ""


class _Envelope(msgspec.Struct):
    t: str
    id: int = 0


_envelopes = msgspec.msgpack.Decoder(_Envelope)


def _explain(body: bytes, why: str) -> Unreadable:
    try:
        envelope = _envelopes.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ProtocolError(f"unreadable message: {error}") from None
    # The decoder's reason may quote the peer's whole message.
    return Unreadable(
        envelope.id, f"message {envelope.t[:40]!r} is not understood here: {why[:MAX_REASON]}"
    )
