"""A negotiation, as the server has it: a new session or one again, and who is at the other end."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from glasnost.condor.cedar.ciphers import KEY_SIZES, SessionKey
from glasnost.condor.classad import Ad
from glasnost.condor.commands import Command, implied_by, levels_of
from glasnost.condor.security.ad_messages import send_ad
from glasnost.condor.security.ads import (
    no_session_ad,
    post_auth_ad,
    read_request,
    resumed_ad,
    security_query_ad,
    server_ad,
)
from glasnost.condor.security.key_message import send_key
from glasnost.condor.security.keys import session_key
from glasnost.condor.security.methods.base import Peer, Proven
from glasnost.condor.security.methods.kinds import Method
from glasnost.condor.security.methods.rounds import let_in, server_methods
from glasnost.condor.security.negotiation import (
    AUTHORIZED,
    DENIED,
    NOBODY,
    Decision,
    Outcome,
    Request,
    decided,
)
from glasnost.condor.security.sessions import Identity, Session
from glasnost.condor.server.settings import Server
from glasnost.condor.stream import CedarStream
from glasnost.errors import Refused

#: Bytes of a nonce, as HTCondor has it.
NONCE_SIZE: Final = 33
#: Of a session that nobody comes back with: HTCondor's clients go away unless it is good for
#: something, and none of them uses one for this.
NO_COMMANDS: Final = frozenset({int(Command.DC_NOP)})


@dataclass(frozen=True)
class Welcomed:
    """Somebody whose negotiation is over: the command is allowed, and comes next, if one does."""

    command: int
    session: Session

    @property
    def is_all(self) -> bool:
        """Whether the session, or an answer about it, was all that was wanted."""
        return self.command in (Command.DC_AUTHENTICATE, Command.DC_SEC_QUERY)


async def welcome(
    stream: CedarStream, server: Server, peer: Peer, address: str, ad: Ad
) -> Welcomed:
    """Answer a client's first ad. Raises `Refused` when the connection is to be closed."""
    if "Cookie" in ad:
        raise Refused("security", "a daemon that speaks with itself, which we are not")
    request = read_request(ad)
    stream.peer = request.version
    if request.resumes:
        return await _resumed(stream, server, address, request)
    return await _negotiated(stream, server, peer, address, request)


async def _resumed(stream: CedarStream, server: Server, address: str, request: Request) -> Welcomed:
    session = server.sessions.find(request.resumes, server.clock())
    if session is None:
        if request.resume_answer:
            await send_ad(stream, no_session_ad())
        raise Refused("session", f"there is no session {request.resumes[:80]!r} (any more)")
    if request.resume_answer:
        nonce = stream.chance.octets(NONCE_SIZE, "server nonce")
        await send_ad(stream, resumed_ad(server.me(), nonce))
    if session.key is not None:
        stream.secure(session.key, session.encryption, session.integrity)
    stream.peer = session.peer
    if not server.is_enough(request.meant, session):
        raise Refused("security", f"a session with less security than {request.meant} needs")
    if not server.allowed(request.meant, session.identity, address):
        raise Refused("denied", f"{session.identity.user} may not have command {request.meant}")
    return Welcomed(request.command, session)


async def _negotiated(
    stream: CedarStream, server: Server, peer: Peer, address: str, request: Request
) -> Welcomed:
    if request.meant not in server.commands:
        raise Refused("unknown", f"command {request.meant} is none of ours")
    if not request.answer_wanted:
        raise Refused("security", "a client that wants no answer to its negotiation")
    policy = server.policy_of(request.meant)
    decision = decided(request, policy, server_methods(server.keeper, policy.methods))
    exchange = stream.chance.exchange() if request.point and decision.cipher else None
    await send_ad(
        stream, server_ad(decision, server.me(), exchange.point if exchange is not None else b"")
    )
    method, proven = await _let_in(stream, server, peer, decision)
    key = None
    if exchange is not None:
        key = session_key(exchange.shared(request.point), decision.cipher)
    if proven is not None:
        sent = None if key is not None else _drawn(stream, decision)
        await send_key(stream, sent, proven.secret)
        key = key or sent
    if key is not None:
        stream.secure(key, decision.encryption, decision.integrity)
    elif decision.encryption or decision.integrity:
        raise Refused("security", "encryption is wanted, and no key was agreed on")
    identity = _identity(method, proven, request)
    session = Session(
        name=stream.chance.name("sid"),
        key=key,
        encryption=decision.encryption,
        integrity=decision.integrity,
        identity=identity,
        commands=NO_COMMANDS,
        peer=request.version,
        duration=decision.duration,
        lease=decision.lease,
    )
    if _may_come_back(session):
        session = replace(session, commands=server.valid_commands(session, address))
    await _tell(stream, server, address, request, session)
    return Welcomed(request.command, session)


async def _let_in(
    stream: CedarStream, server: Server, peer: Peer, decision: Decision
) -> tuple[Method | None, Proven | None]:
    if not decision.authentication:
        return None, None
    try:
        return await let_in(stream, decision.methods, server.keeper, peer)
    except Refused as error:
        # Where nobody requires it, both sides go on without a name, and without a method's key.
        if decision.authentication_required or error.code != "authentication":
            raise
        return None, None


def _drawn(stream: CedarStream, decision: Decision) -> SessionKey | None:
    """A key for a client that has no half of one."""
    if not decision.cipher:
        return None
    size = KEY_SIZES[decision.cipher]
    return SessionKey(decision.cipher, stream.chance.octets(size, "session key"))


def _identity(method: Method | None, proven: Proven | None, request: Request) -> Identity:
    if method is None or proven is None:
        return Identity()
    limits = proven.limits
    if method is Method.CLAIMTOBE:
        # Who is merely believed gets no more than was asked for, as HTCondor has it.
        known = request.meant in Command.__members__.values()
        limits = implied_by(levels_of(Command(request.meant)) if known else ())
    return Identity(proven.user, method.known, limits)


async def _tell(
    stream: CedarStream, server: Server, address: str, request: Request, session: Session
) -> None:
    """Say what has come of it, and remember the session. Raises `Refused` where it is no."""
    asks = request.command == Command.DC_SEC_QUERY
    allowed = server.allowed(request.meant, session.identity, address)
    if request.new_session:
        outcome = Outcome(
            AUTHORIZED if allowed or asks else DENIED,
            session.name,
            session.commands,
            session.identity.user,
            session.identity.authenticated,
        )
        await send_ad(stream, post_auth_ad(outcome))
        if allowed and session.commands is not NO_COMMANDS:
            server.sessions.add(session, server.clock())
    if asks:
        await send_ad(stream, security_query_ad(allowed))
    elif not allowed:
        user = session.identity.user
        raise Refused("denied", f"{user} may not have command {request.meant} from {address}")


def _may_come_back(session: Session) -> bool:
    """Whether the session's name is enough to come back with: somebody's never is, where nothing
    but the name would tell them from who has overheard it."""
    return session.enciphers or session.vouches or session.identity.user == NOBODY
