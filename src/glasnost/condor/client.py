"""Starts a command at a daemon: raw, in a new session, or in one that both sides remember.

    call = await start_command(stream, Command.QUERY_ANY_ADS, settings, sessions, address, now)
    writer = call.writer()
    writer.ad(query.lines())
    await stream.send(writer)

The connection is there already, and how it was made (through a shared port, turned round by a
broker) does not matter here. When something fails the stream is of no use any more.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Final

from glasnost.condor.cedar.ciphers import SessionKey
from glasnost.condor.cedar.values import Writer
from glasnost.condor.commands import Command, name_of
from glasnost.condor.security.ad_messages import receive_ad, send_ad
from glasnost.condor.security.ads import (
    client_ad,
    read_decision,
    read_outcome,
    resume_ad,
)
from glasnost.condor.security.key_message import receive_key
from glasnost.condor.security.keys import Exchange, session_key
from glasnost.condor.security.methods.base import Login, Peer, Proven
from glasnost.condor.security.methods.kinds import Method
from glasnost.condor.security.methods.rounds import log_in
from glasnost.condor.security.negotiation import (
    AUTHORIZED,
    SID_NOT_FOUND,
    Decision,
    Myself,
    Policy,
)
from glasnost.condor.security.sessions import ClientSessions, Identity, Session
from glasnost.condor.security.words import Word
from glasnost.condor.stream import CedarStream
from glasnost.core.text import printable
from glasnost.errors import PathCut, Refused
from glasnost.net.sentences import sentence
from glasnost.net.sockets import address_text

#: HTCondor's own: the bytes of a resumption's nonce.
NONCE_SIZE: Final = 33


class SessionGone(Refused):
    """The server does not know our session any more; the next attempt makes a new one."""


@dataclass(frozen=True)
class ClientSettings:
    """How one client starts its commands."""

    policy: Policy = field(default_factory=Policy)
    me: Myself = field(default_factory=Myself)
    login: Login = field(default_factory=Login)
    #: Keeps its sessions apart from those of others in the same process.
    tag: str = ""


@dataclass(frozen=True)
class Call:
    """A command that was started: the stream is ready for what belongs to it."""

    stream: CedarStream
    #: Set where the command was started raw: its number begins its message.
    raw: int | None
    #: As whom the server knows us, as far as it has said.
    session: Session | None

    def writer(self) -> Writer:
        """The message that belongs to the command, to be written."""
        writer = self.stream.writer()
        if self.raw is not None:
            writer.integer(self.raw)
        return writer

    def again(self, command: int) -> Writer:
        """Another command on the same connection, which is ours already: raw, in its message."""
        return replace(self, raw=command).writer()


async def start_command(
    stream: CedarStream,
    command: int,
    settings: ClientSettings,
    sessions: ClientSessions,
    address: str,
    now: float,
    peer: Peer | None = None,
    auth_command: int | None = None,
) -> Call:
    """Start a command at the daemon of this address, by what the settings want.

    ``address`` is the daemon's Sinful as it was advertised: the name that sessions go by. Raises
    `SessionGone` when it does not know our session, `Refused` with the reason otherwise. ``peer``
    is for what the socket does not say: a shared port's id, a name for certificates.
    """
    policy = settings.policy
    if policy.negotiation in (Word.NEVER, Word.OPTIONAL):
        if policy.requires:
            raise Refused("security", "our settings want security, and no negotiation of it")
        return Call(stream, command, None)
    known = sessions.find(address, auth_command or command, now, settings.tag)
    if known is not None and known.is_enough(policy):
        return await _resume(stream, command, settings, sessions, address, known)
    peer = peer or Peer(endpoint_of(stream))
    session = await _negotiate(stream, command, settings, address, peer, auth_command)
    if session.name and session.commands:
        sessions.add(address, session, now, settings.tag)
    return Call(stream, None, session)


async def start_anew(
    connect: Callable[[], Awaitable[CedarStream]],
    start: Callable[[CedarStream], Awaitable[Call]],
) -> Call:
    """Start a command on a new connection, and once more when our session there is gone."""
    for again in (True, False):
        stream = await connect()
        try:
            return await start(stream)
        except BaseException as error:
            stream.close()
            if not again or not isinstance(error, SessionGone):
                raise
    raise AssertionError("the second attempt returns or raises")


async def permitted(call: Call) -> bool:
    """What a daemon answers to DC_SEC_QUERY: whether it would let us have the command that was
    meant."""
    if call.raw is not None:
        raise Refused("security", "permission is asked about in a negotiation, which is off")
    answer = await receive_ad(call.stream)
    return answer.get("AuthorizationSucceeded") is True


def endpoint_of(stream: CedarStream) -> str:
    """The other end of a stream, ``ip:port``; a unix socket has none."""
    try:
        name = stream.sock.getpeername()
    except OSError as error:
        raise PathCut(f"the peer is gone: {sentence(error)}") from error
    return address_text(name) if isinstance(name, tuple) else ""


# --- a session again -----------------------------------------------------------------------------


async def _resume(
    stream: CedarStream,
    command: int,
    settings: ClientSettings,
    sessions: ClientSessions,
    address: str,
    session: Session,
) -> Call:
    nonce = stream.chance.octets(NONCE_SIZE, "client nonce")
    cipher = session.key.cipher if session.key is not None else ""
    ad = resume_ad(settings.me, command, session.name, cipher, nonce, address)
    await send_ad(stream, ad, Command.DC_AUTHENTICATE)
    answer = read_outcome(await receive_ad(stream))
    if answer.code != AUTHORIZED:
        sessions.drop(address, session, settings.tag)
        if answer.code == SID_NOT_FOUND:
            raise SessionGone("session", "the daemon has forgotten our session")
        raise Refused("denied", f"the daemon answers {answer.code[:40]!r} to our session")
    stream.peer = session.peer
    if session.key is not None:
        stream.secure(session.key, session.encryption, session.integrity)
    return Call(stream, None, session)


# --- a new session -------------------------------------------------------------------------------


async def _negotiate(
    stream: CedarStream,
    command: int,
    settings: ClientSettings,
    address: str,
    peer: Peer,
    auth_command: int | None,
) -> Session:
    exchange = stream.chance.exchange()
    ad = client_ad(settings.policy, settings.me, command, exchange.point, address, auth_command)
    await send_ad(stream, ad, Command.DC_AUTHENTICATE)
    decision = read_decision(await receive_ad(stream))
    _check(decision, settings.policy)
    stream.peer = decision.version
    method, proven = await _log_in(stream, decision, settings, peer)
    key = await _key(stream, decision, exchange, proven)
    if key is not None:
        stream.secure(key, decision.encryption, decision.integrity)
    elif decision.encryption or decision.integrity:
        raise Refused("security", "the daemon wants encryption, and has agreed on no key with us")
    known = _identity(method, "")
    session = Session("", key, decision.encryption, decision.integrity, known)
    if not session.is_enough(settings.policy):
        raise Refused("security", "the daemon does less for security than our settings require")
    outcome = read_outcome(await receive_ad(stream))
    if outcome.code != AUTHORIZED:
        user, code = printable(outcome.user[:80], keep=""), printable(outcome.code[:40], keep="")
        wanted = name_of(auth_command or command)
        raise Refused("denied", f"the daemon does not let {user} have {wanted} ({code})")
    return replace(
        session,
        name=outcome.session,
        identity=_identity(method, outcome.user),
        commands=outcome.commands,
        peer=decision.version,
        duration=decision.duration,
        lease=decision.lease,
    )


def _identity(method: Method | None, user: str) -> Identity:
    return Identity(user, method.known if method is not None else "")


def _check(decision: Decision, policy: Policy) -> None:
    """HTCondor's clients take what a server decides; ours look whether they said never."""
    if decision.authentication and policy.authentication is Word.NEVER:
        raise Refused("security", "the daemon wants to know who we are, and we never say it")


async def _log_in(
    stream: CedarStream, decision: Decision, settings: ClientSettings, peer: Peer
) -> tuple[Method | None, Proven | None]:
    if not decision.authentication:
        return None, None
    told = replace(peer, trust_domain=decision.trust_domain, issuer_keys=decision.issuer_keys)
    try:
        return await log_in(stream, settings.policy.methods, decision.methods, settings.login, told)
    except Refused:
        if decision.authentication_required:
            raise
        return None, None


async def _key(
    stream: CedarStream, decision: Decision, exchange: Exchange, proven: Proven | None
) -> SessionKey | None:
    """The session's key: what both halves give, or what is sent to who has logged in."""
    sent = await receive_key(stream, proven.secret) if proven is not None else None
    if sent is not None:
        return sent
    if not decision.point or not decision.cipher:
        return None
    return session_key(exchange.shared(decision.point), decision.cipher)
