"""Finds a method that both sides can, tries it, and tries the next when it fails.

The client sends the mask of what it still wants to try, the server the one bit that it has chosen,
then both have that method's dialogue. Zero from either side is the end.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from glasnost.condor.security.methods import anonymous, claimtobe, fs, idtokens, tls
from glasnost.condor.security.methods.base import Doorkeeper, Login, MethodFailed, Peer, Proven
from glasnost.condor.security.methods.kinds import Method, mask_of
from glasnost.condor.stream import CedarStream
from glasnost.errors import ProtocolError, Refused

ClientDialogue = Callable[[CedarStream, Login, Peer], Awaitable[Proven]]
ServerDialogue = Callable[[CedarStream, Doorkeeper, Peer], Awaitable[Proven]]

CLIENTS: Final[dict[Method, ClientDialogue]] = {
    Method.CLAIMTOBE: claimtobe.client,
    Method.FS: fs.client,
    Method.ANONYMOUS: anonymous.client,
    Method.TOKEN: idtokens.client,
    Method.SSL: tls.client,
    Method.SCITOKENS: tls.scitokens_client,
}
SERVERS: Final[dict[Method, ServerDialogue]] = {
    Method.CLAIMTOBE: claimtobe.server,
    Method.FS: fs.server,
    Method.ANONYMOUS: anonymous.server,
    Method.TOKEN: idtokens.server,
    Method.SSL: tls.server,
}


def lacking(login: Login) -> dict[Method, str]:
    """What a client cannot use, for want of what."""
    has = {
        Method.CLAIMTOBE: (login.user, "we have no name"),
        Method.TOKEN: (login.tokens, "we have no token that could be used"),
        Method.SCITOKENS: (login.scitoken, "we have no SciToken"),
    }
    return {method: why for method, (value, why) in has.items() if not value}


def server_methods(keeper: Doorkeeper, methods: Sequence[Method]) -> tuple[Method, ...]:
    lacks = {Method.TOKEN: not keeper.signing_keys, Method.SSL: keeper.tls is None}
    return tuple(one for one in methods if one in SERVERS and not lacks.get(one))


async def log_in(
    stream: CedarStream,
    ours: Sequence[Method],
    theirs: Sequence[Method],
    login: Login,
    peer: Peer,
) -> tuple[Method, Proven]:
    """The client's side: ``ours`` it may use, in its order, ``theirs`` the server takes. Raises
    `Refused` with the reason of each method, when none is left."""
    lacks = lacking(login)
    common = [one for one in ours if one in CLIENTS and one in theirs]
    left = [one for one in common if one not in lacks]
    reasons = [f"{one.known}: {lacks[one]}" for one in common if one in lacks]
    while True:
        await _say(stream, mask_of(left))
        chosen = (await stream.receive(limit=64)).integer()
        if chosen == 0:
            why = "; ".join(reasons) or "the server has no method of authentication for us"
            raise Refused("authentication", why)
        method = next((one for one in left if one == chosen), None)
        if method is None:
            raise ProtocolError(f"the server chooses a method that was not offered ({chosen})")
        try:
            return method, await CLIENTS[method](stream, login, peer)
        except MethodFailed as error:
            reasons.append(f"{method.known}: {error}")
            left.remove(method)


async def let_in(
    stream: CedarStream, methods: Sequence[Method], keeper: Doorkeeper, peer: Peer
) -> tuple[Method, Proven]:
    """The server's side: its own order counts, and each method is tried once."""
    left = list(methods)
    reasons: list[str] = []
    while True:
        wanted = (await stream.receive(limit=64)).integer()
        method = next((one for one in left if one & wanted), None)
        await _say(stream, 0 if method is None else method)
        if method is None:
            why = "; ".join(reasons) or "no method of authentication that both sides have"
            raise Refused("authentication", why)
        try:
            return method, await SERVERS[method](stream, keeper, peer)
        except MethodFailed as error:
            reasons.append(f"{method.known}: {error}")
            left.remove(method)


async def _say(stream: CedarStream, number: int) -> None:
    writer = stream.writer()
    writer.integer(number)
    await stream.send(writer)
