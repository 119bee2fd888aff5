"""What the server sends after a method, about the session's key: none is sent where the two have
agreed on one by Diffie-Hellman, else it is, wrapped by the method's secret."""

from __future__ import annotations

from typing import Final

from glasnost.condor.cedar.ciphers import AES, BLOWFISH, KEY_SIZES, TRIPLE_DES, SessionKey
from glasnost.condor.security.keys import unwrapped, wrapped
from glasnost.condor.stream import CedarStream
from glasnost.errors import ProtocolError

_CIPHERS: Final = {1: BLOWFISH, 2: TRIPLE_DES, 3: AES}
_NUMBERS: Final = {cipher: number for number, cipher in _CIPHERS.items()}
_LIMIT: Final = 1024


async def send_key(stream: CedarStream, key: SessionKey | None, secret: bytes | None) -> None:
    """Send a key; None: there is none to be sent."""
    writer = stream.writer()
    writer.integer(0 if key is None else 1)
    await stream.send(writer)
    if key is None:
        return
    data = wrapped(key.key, secret)
    writer = stream.writer()
    for number in (len(key.key), _NUMBERS[key.cipher], 0, len(data)):
        writer.integer(number)
    writer.raw(data)
    await stream.send(writer)


async def receive_key(stream: CedarStream, secret: bytes | None) -> SessionKey | None:
    """The key that is sent, if one is."""
    announced = await stream.receive(_LIMIT)
    follows = announced.integer()
    announced.end()
    if follows == 0:
        return None
    message = await stream.receive(_LIMIT)
    size, number, _duration, wrapped_size = (message.integer() for _ in range(4))
    data = message.raw(wrapped_size)
    message.end()
    cipher = _CIPHERS.get(number)
    if cipher is None or size != KEY_SIZES[cipher] or size != len(data):
        raise ProtocolError(f"a key of {size} bytes for cipher {number}")
    return SessionKey(cipher, unwrapped(data, secret))
