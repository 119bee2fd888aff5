"""The ads of a negotiation as messages: one each, small, and with literals only."""

from __future__ import annotations

from typing import Final

from glasnost.condor.cedar.values import Reader
from glasnost.condor.classad import Ad, read_security_ad
from glasnost.condor.classad.limits import MAX_SECURITY_ATTRIBUTES
from glasnost.condor.stream import CedarStream

#: A hundred lines, with the longest domain and key names: nobody's comes near.
MAX_HANDSHAKE: Final = 64 << 10


async def send_ad(stream: CedarStream, ad: Ad, command: int | None = None) -> None:
    """Send an ad, a command's number before it where it begins a connection."""
    writer = stream.writer()
    if command is not None:
        writer.integer(command)
    writer.ad(ad.lines())
    await stream.send(writer)


async def receive_ad(stream: CedarStream) -> Ad:
    return read_ad(await stream.receive(MAX_HANDSHAKE))


def read_ad(message: Reader) -> Ad:
    """The ad that the rest of a message is."""
    lines = message.ad(limit=MAX_SECURITY_ATTRIBUTES)
    message.end()
    return read_security_ad(lines)
