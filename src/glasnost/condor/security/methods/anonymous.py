"""ANONYMOUS: the server takes anybody, under one name. Only where somebody has named it."""

from __future__ import annotations

from typing import Final

from glasnost.condor.security.methods.base import (
    Doorkeeper,
    Login,
    MethodFailed,
    Peer,
    Proven,
    with_domain,
)
from glasnost.condor.stream import CedarStream

USER: Final = "CONDOR_ANONYMOUS_USER"


async def client(stream: CedarStream, login: Login, peer: Peer) -> Proven:
    if (await stream.receive(limit=64)).integer() != 1:
        raise MethodFailed("the server takes nobody without a name")
    return Proven(USER)


async def server(stream: CedarStream, keeper: Doorkeeper, peer: Peer) -> Proven:
    answer = stream.writer()
    answer.integer(1)
    await stream.send(answer)
    return Proven(with_domain(USER, keeper.uid_domain))
