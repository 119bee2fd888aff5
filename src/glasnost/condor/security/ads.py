"""The ads of a negotiation, made and read.

    client ad        what the client wants, and its half of a key
    server ad        what will be done, and the other half
    post-auth ad     who the client is now, and the session's name
    resume ad        a session again, on a new connection; its answer

What a peer leaves out is as HTCondor takes it; what it says in another form than HTCondor does
is a `ProtocolError`.
"""

from __future__ import annotations

from glasnost.condor.classad import Ad
from glasnost.condor.security.attributes import (
    ciphers_of,
    encoded,
    integer_of,
    listed,
    made,
    names_of,
    point_of,
    seconds_of,
    text_of,
    version_of,
    word_of,
    yes,
)
from glasnost.condor.security.methods.kinds import methods_in
from glasnost.condor.security.negotiation import (
    AUTHORIZED,
    NOBODY,
    SID_NOT_FOUND,
    TOOL_DURATION,
    Decision,
    Myself,
    Outcome,
    Policy,
    Request,
)
from glasnost.errors import ProtocolError


def client_ad(
    policy: Policy,
    me: Myself,
    command: int,
    point: bytes,
    address: str,
    auth_command: int | None = None,
) -> Ad:
    """What a client begins with. ``address`` is what it has connected to."""
    return made(
        Command=command,
        AuthCommand=auth_command,
        Enact="NO",
        NewSession="YES",
        NegotiatedSession=True,
        OutgoingNegotiation=policy.negotiation.value,
        Authentication=policy.old_authentication.value,
        AuthenticationNew=policy.authentication.value,
        Encryption=policy.encryption.value,
        Integrity=policy.integrity.value,
        AuthMethods=listed(method.name for method in policy.methods),
        CryptoMethods=listed(policy.ciphers),
        ECDHPublicKey=encoded(point),
        Subsystem=me.subsystem,
        ServerPid=me.pid,
        ServerCommandSock=me.command_sock or None,
        SessionDuration=str(policy.duration),
        SessionLease=policy.lease,
        RemoteVersion=me.version,
        ConnectSinful=address,
        TrustDomain=me.trust_domain or None,
        IssuerKeys=listed(me.issuer_keys),
    )


def resume_ad(
    me: Myself, command: int, session: str, cipher: str, nonce: bytes, address: str
) -> Ad:
    """A session again. The nonce makes this connection's digests differ from all others'."""
    return made(
        Command=command,
        ConnectSinful=address,
        CryptoMethods=cipher or None,
        Nonce=encoded(nonce),
        RemoteVersion=me.version,
        ResumeResponse=True,
        Sid=session,
        UseSession="YES",
        ServerCommandSock=me.command_sock or None,
    )


def read_request(ad: Ad) -> Request:
    """What a client's first ad asks for. What it does not say it does not want."""
    plain = "AuthenticationNew" in ad
    return Request(
        command=integer_of(ad, "Command"),
        auth_command=integer_of(ad, "AuthCommand") if "AuthCommand" in ad else None,
        answer_wanted=text_of(ad, "Enact").upper() == "NO",
        new_session=text_of(ad, "NewSession").upper() == "YES",
        resumes=text_of(ad, "Sid") if text_of(ad, "UseSession").upper() == "YES" else "",
        resume_answer=ad.get("ResumeResponse") is True,
        authentication=word_of(ad, "AuthenticationNew" if plain else "Authentication"),
        plain_words=plain,
        encryption=word_of(ad, "Encryption"),
        integrity=word_of(ad, "Integrity"),
        methods=methods_in(text_of(ad, "AuthMethods")),
        ciphers=ciphers_of(text_of(ad, "CryptoMethods")),
        point=point_of(ad),
        duration=seconds_of(ad, "SessionDuration", TOOL_DURATION),
        lease=seconds_of(ad, "SessionLease", 0),
        version=version_of(text_of(ad, "RemoteVersion")),
        subsystem=text_of(ad, "Subsystem"),
    )


def server_ad(decision: Decision, me: Myself, point: bytes) -> Ad:
    """The server's answer; ``point`` is empty unless the client has sent one."""
    optional = decision.authentication and not decision.authentication_required
    return made(
        Authentication=yes(decision.authentication),
        AuthRequired=False if optional else None,
        Encryption=yes(decision.encryption),
        Integrity=yes(decision.integrity),
        AuthMethodsList=listed(method.name for method in decision.methods),
        AuthMethods=listed(method.name for method in decision.methods[:1]),
        CryptoMethodsList=listed(decision.ciphers),
        CryptoMethods=decision.cipher or None,
        ECDHPublicKey=encoded(point),
        SessionDuration=str(decision.duration),
        SessionLease=decision.lease,
        Enact="YES",
        NegotiatedSession=True,
        RemoteVersion=me.version,
        TrustDomain=me.trust_domain or None,
        IssuerKeys=listed(me.issuer_keys),
    )


def read_decision(ad: Ad) -> Decision:
    """What a server has decided; it must say all three, or HTCondor's clients go away too."""
    cipher = ciphers_of(text_of(ad, "CryptoMethods"))[:1]
    return Decision(
        authentication=_action(ad, "Authentication"),
        authentication_required=ad.get("AuthRequired") is not False,
        encryption=_action(ad, "Encryption"),
        integrity=_action(ad, "Integrity"),
        methods=methods_in(text_of(ad, "AuthMethodsList") or text_of(ad, "AuthMethods")),
        ciphers=ciphers_of(text_of(ad, "CryptoMethodsList")),
        cipher=cipher[0] if cipher else "",
        point=point_of(ad),
        duration=seconds_of(ad, "SessionDuration", TOOL_DURATION),
        lease=seconds_of(ad, "SessionLease", 0),
        version=version_of(text_of(ad, "RemoteVersion")),
        trust_domain=text_of(ad, "TrustDomain"),
        issuer_keys=tuple(names_of(text_of(ad, "IssuerKeys"))),
    )


def post_auth_ad(outcome: Outcome) -> Ad:
    return made(
        User=outcome.user,
        TriedAuthentication=True if outcome.tried_authentication else None,
        Sid=outcome.session or None,
        ValidCommands=listed(map(str, sorted(outcome.commands))),
        ReturnCode=outcome.code,
    )


def read_outcome(ad: Ad) -> Outcome:
    """A code that is missing is a good one; so HTCondor's clients take it."""
    commands = frozenset(
        int(name)
        for name in names_of(text_of(ad, "ValidCommands"))
        if name.isascii() and name.isdigit() and len(name) < 10
    )
    return Outcome(
        code=text_of(ad, "ReturnCode") or AUTHORIZED,
        session=text_of(ad, "Sid"),
        commands=commands,
        user=text_of(ad, "User") or NOBODY,
        tried_authentication=ad.get("TriedAuthentication") is True,
    )


def resumed_ad(me: Myself, nonce: bytes) -> Ad:
    return made(ReturnCode=AUTHORIZED, RemoteVersion=me.version, Nonce=encoded(nonce))


def no_session_ad() -> Ad:
    return made(ReturnCode=SID_NOT_FOUND)


def security_query_ad(allowed: bool) -> Ad:
    """The answer to DC_SEC_QUERY."""
    return made(AuthorizationSucceeded=allowed)


def _action(ad: Ad, name: str) -> bool:
    if name not in ad:
        raise ProtocolError(f"the server does not say what becomes of {name}")
    return text_of(ad, name).upper() == "YES"
