"""CLAIMTOBE: the client says who it is, and is believed. Only where somebody has named it."""

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

#: No account and no domain is longer.
MAX_USER: Final = 512


async def client(stream: CedarStream, login: Login, peer: Peer) -> Proven:
    claim = stream.writer()
    claim.integer(1 if login.user else 0)
    if login.user:
        claim.string(login.user)
    await stream.send(claim)
    if not login.user:
        raise MethodFailed("there is no name to claim")
    answer = await stream.receive(limit=64)
    if answer.integer() != 1:
        raise MethodFailed(f"the server does not believe that we are {login.user}")
    return Proven(login.user)


async def server(stream: CedarStream, keeper: Doorkeeper, peer: Peer) -> Proven:
    claim = await stream.receive(limit=MAX_USER + 64)
    if claim.integer() != 1:
        raise MethodFailed("the client has no name to claim")
    user = claim.string()
    claim.end()
    good = 0 < len(user) <= MAX_USER and user.isprintable()
    answer = stream.writer()
    answer.integer(1 if good else 0)
    await stream.send(answer)
    if not good:
        raise MethodFailed("the client claims a name that is none")
    return Proven(with_domain(user, keeper.uid_domain))
