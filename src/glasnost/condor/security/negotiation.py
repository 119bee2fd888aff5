"""What each side of a negotiation wants, can and says; and what comes of it.

A client sends a `Request`, the server answers with its `Decision`, and when that is carried out
with an `Outcome`. How they are written and read: `ads`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from glasnost.condor.cedar.ciphers import AES, BLOWFISH, TRIPLE_DES
from glasnost.condor.cedar.values import Version
from glasnost.condor.security.methods.kinds import Method
from glasnost.condor.security.words import Word, decide
from glasnost.errors import Refused

#: As whom we introduce ourselves: peers choose by it what they may send us, and this is what we
#: speak. The date belongs to it, or they do not read it.
OUR_VERSION: Final = "$CondorVersion: 25.14.1 2026-09-24 BuildID: Glasnost $"
#: Who has not logged in.
NOBODY: Final = "unauthenticated@unmapped"
AUTHORIZED: Final = "AUTHORIZED"
DENIED: Final = "DENIED"
SID_NOT_FOUND: Final = "SID_NOT_FOUND"

#: Seconds that a session lives, and that it may be idle; tools ask for a minute.
TOOL_DURATION: Final = 60
DAEMON_DURATION: Final = 86_400
LEASE: Final = 3600


@dataclass(frozen=True)
class Policy:
    """What one side wants of a connection, and what it can."""

    authentication: Word = Word.OPTIONAL
    encryption: Word = Word.OPTIONAL
    integrity: Word = Word.OPTIONAL
    #: A client that negotiates NEVER, or only OPTIONAL, starts raw.
    negotiation: Word = Word.PREFERRED
    methods: tuple[Method, ...] = (Method.FS, Method.TOKEN, Method.SCITOKENS, Method.SSL)
    ciphers: tuple[str, ...] = (AES, BLOWFISH, TRIPLE_DES)
    duration: int = TOOL_DURATION
    lease: int = LEASE

    @property
    def requires(self) -> bool:
        """Whether something is wanted that only a negotiation gives."""
        return Word.REQUIRED in (self.authentication, self.encryption, self.integrity)

    @property
    def old_authentication(self) -> Word:
        """What peers before 23.10 are told: there, a key needs somebody who logs in."""
        return max(
            (self.authentication, self.encryption, self.integrity), key=lambda word: word.rank
        )


@dataclass(frozen=True)
class Myself:
    """What one side tells of itself."""

    version: str = OUR_VERSION
    subsystem: str = "TOOL"
    pid: int = 0
    trust_domain: str = ""
    issuer_keys: tuple[str, ...] = ()
    #: A daemon's own command address.
    command_sock: str = ""


@dataclass(frozen=True)
class Request:
    """A client's ad, as a server reads it."""

    command: int
    auth_command: int | None
    answer_wanted: bool
    new_session: bool
    #: Set, with whether an answer is wanted, where a session is resumed.
    resumes: str
    resume_answer: bool
    authentication: Word
    #: Whether that was said as of 23.10: each side's word is its own then.
    plain_words: bool
    encryption: Word
    integrity: Word
    methods: tuple[Method, ...]
    ciphers: tuple[str, ...]
    point: bytes
    duration: int
    lease: int
    version: Version | None
    subsystem: str

    @property
    def meant(self) -> int:
        """The command that is to be allowed."""
        return self.command if self.auth_command is None else self.auth_command


@dataclass(frozen=True)
class Decision:
    """What will be done, as a server's ad says it."""

    authentication: bool
    encryption: bool
    integrity: bool
    #: Without it, who cannot log in goes on as nobody.
    authentication_required: bool = True
    methods: tuple[Method, ...] = ()
    ciphers: tuple[str, ...] = ()
    #: The one that a key will be made for.
    cipher: str = ""
    point: bytes = b""
    duration: int = TOOL_DURATION
    lease: int = LEASE
    version: Version | None = None
    trust_domain: str = ""
    issuer_keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What a server says at the end: whether, as whom, and the session to come back with."""

    code: str
    session: str = ""
    commands: frozenset[int] = field(default_factory=frozenset)
    user: str = NOBODY
    tried_authentication: bool = False


def decided(request: Request, policy: Policy, usable: Iterable[Method]) -> Decision:
    """What a server does for a client. `Refused` where one side requires what the other will
    not, or cannot, do."""
    ours = policy.authentication if request.plain_words else policy.old_authentication
    wanted = {
        "authentication": decide(request.authentication, ours),
        "encryption": decide(request.encryption, policy.encryption),
        "integrity": decide(request.integrity, policy.integrity),
    }
    for what, whether in wanted.items():
        if whether is None:
            raise Refused("security", f"one side requires {what}, and the other never does it")
    able = set(usable)
    methods = tuple(
        method for method in policy.methods if method in request.methods and method in able
    )
    required = Word.REQUIRED in (request.authentication, ours)
    if wanted["authentication"] and not methods:
        if required:
            raise Refused("security", "no method of authentication that both sides have")
        wanted["authentication"] = False
    ciphers = tuple(cipher for cipher in policy.ciphers if cipher in request.ciphers)
    keyed = bool(ciphers) and (bool(request.point) or bool(wanted["authentication"]))
    if wanted["authentication"] and ciphers[:1] == (AES,):
        wanted["encryption"] = wanted["integrity"] = True
    if (wanted["encryption"] or wanted["integrity"]) and not keyed:
        raise Refused("security", "encryption is wanted, and there is nothing to agree on a key by")
    return Decision(
        authentication=bool(wanted["authentication"]),
        authentication_required=required or not wanted["authentication"],
        encryption=bool(wanted["encryption"]),
        integrity=bool(wanted["integrity"]),
        methods=methods,
        ciphers=ciphers,
        cipher=ciphers[0] if keyed else "",
        duration=min(request.duration, policy.duration),
        lease=min(filter(None, (request.lease, policy.lease)), default=0),
    )
