"""The server's side of a connection: what is wanted, by whom, may they, and then its handler.

A stranger gets as far as a few small messages, each of which is limited before it is read; a
payload is read by its handler, when the command is allowed. What is no command of ours, or not
said as HTCondor says it, ends the connection without a word, as it does there.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from glasnost.condor.cedar.values import Reader
from glasnost.condor.commands import Command, name_of
from glasnost.condor.security.ad_messages import MAX_HANDSHAKE, read_ad
from glasnost.condor.security.methods.base import Peer
from glasnost.condor.security.sessions import Identity, Session
from glasnost.condor.server.call import Call, Then
from glasnost.condor.server.settings import Served, Server
from glasnost.condor.server.welcome import welcome
from glasnost.condor.stream import CedarStream
from glasnost.core.text import facts
from glasnost.errors import GlasnostError, ProtocolError, Refused

log = logging.getLogger("glasnost.condor")

#: How long the dialogues up to a command may take, seconds. HTCondor: 120, of which 20 to log in.
HANDSHAKE_TIME: Final = 20.0
#: How long a connection may be idle between two commands. Daemons advertise every 300 s, and some
#: are set to do it much less often. Guests are waited for as at the beginning.
IDLE_TIME: Final = 86_400.0


async def serve(
    stream: CedarStream,
    server: Server,
    address: str,
    peer: Peer,
    is_member: Callable[[], None] = lambda: None,
) -> None:
    """Answer one connection until its end. ``address`` is the client's, for rules and for people;
    ``peer`` our own endpoint as methods need it. ``is_member`` is called once the client proves to
    be no guest. The connection is closed afterwards, unless a handler has taken it."""
    then = Then.CLOSE
    try:
        then = await _serve(stream, server, address, peer, is_member)
    except (GlasnostError, OSError, TimeoutError) as error:
        code = error.code if isinstance(error, Refused) else "condor"
        log.info(
            "a connection ends: %s", str(error) or "too slow", extra=facts(code=code, peer=address)
        )
    finally:
        if then is not Then.TAKEN:
            stream.close()


async def _serve(
    stream: CedarStream, server: Server, address: str, peer: Peer, is_member: Callable[[], None]
) -> Then:
    session: Session | None = None
    judged: set[int] = set()
    limit = HANDSHAKE_TIME
    while True:
        async with asyncio.timeout(limit):
            message = await stream.begin_or_end()
        if message is None:
            return Then.CLOSE
        call = _again(stream, address, message, session, judged)
        if call is None:
            async with asyncio.timeout(HANDSHAKE_TIME):
                number = await stream.take(message, message.integer, MAX_HANDSHAKE)
                if number == Command.DC_AUTHENTICATE:
                    if session is not None:
                        raise ProtocolError("a negotiation on a connection that has had one")
                    await stream.finish(message, MAX_HANDSHAKE)
                    welcomed = await welcome(stream, server, peer, address, read_ad(message))
                    if welcomed.is_all:
                        return Then.CLOSE
                    session = welcomed.session
                    judged.clear()  # that was nobody
                    call = Call(welcomed.command, stream, session.identity, address, session)
                else:
                    call = _raw(stream, server, address, number, message, session)
                    judged.add(number)
        served = server.commands[call.command]
        if limit != IDLE_TIME and served.of_members:
            limit = IDLE_TIME
            is_member()
        then = await served.handler(call)
        if then is not Then.READ_ON:
            return then


def _again(
    stream: CedarStream,
    address: str,
    message: Reader,
    session: Session | None,
    judged: set[int],
) -> Call | None:
    """A raw command as there was one before on this connection, by the same client, if it is there
    whole: a daemon's updates are thousands, and nothing has to be waited for or judged again."""
    if not message.whole:
        return None
    number = message.integer()
    if number not in judged:
        message.at = 0
        return None
    return Call(number, stream, _identity(session), address, session, message)


def _raw(
    stream: CedarStream,
    server: Server,
    address: str,
    number: int,
    message: Reader,
    session: Session | None,
) -> Call:
    """A command by its number alone: of a stranger, or on a connection whose client is known."""
    if number not in server.commands:
        raise Refused("unknown", f"{name_of(number)} is none that we answer")
    if not server.is_enough(number, session):
        raise Refused("security", f"{name_of(number)} without the security that it needs")
    identity = _identity(session)
    if not server.allowed(number, identity, address):
        raise Refused("denied", f"{identity.user} may not have {name_of(number)} from {address}")
    return Call(number, stream, identity, address, session, message)


def _identity(session: Session | None) -> Identity:
    return _STRANGER if session is None else session.identity


_STRANGER: Final = Identity()


async def nothing(call: Call) -> Then:
    """The handler of DC_NOP and its like."""
    if call.begun is not None:
        (await call.payload(MAX_HANDSHAKE)).end()
    return Then.READ_ON


def nops() -> dict[int, Served]:
    """The commands that do nothing: a permission can be tried by them."""
    found = [command for command in Command if command.name.startswith("DC_NOP")]
    return {command: Served.of(command, nothing) for command in found}
