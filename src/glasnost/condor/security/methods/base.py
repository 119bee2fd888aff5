"""What a dialogue of authentication is told, and what comes of it."""

from __future__ import annotations

import pwd
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from glasnost.condor.commands import Level
from glasnost.condor.security.tokens import Token
from glasnost.errors import GlasnostError

#: Where both sides of FS look by default.
FS_DIRECTORY: Final = "/tmp"


class MethodFailed(GlasnostError):
    """This method did not work out; another may, on the same connection."""


@dataclass(frozen=True)
class Peer:
    """Where a connection goes, as methods need it: names that are part of what is proven."""

    #: The server's TCP endpoint as this side sees it: ``ip:port``, IPv6 in brackets.
    endpoint: str = ""
    #: The id at a shared port that led there, or "".
    shared_port_id: str = ""
    #: Of a server: more endpoints under which clients see it, behind a NAT.
    public_endpoints: tuple[str, ...] = ()
    #: Of a client: the name that a server's certificate must have, or "".
    alias: str = ""
    #: Of a client: what the server has said of the tokens that it takes.
    trust_domain: str = ""
    issuer_keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class Login:
    """What a client can log in with."""

    #: For CLAIMTOBE: ``user@domain``.
    user: str = ""
    tokens: tuple[Token, ...] = ()
    #: For SSL and SCITOKENS: verifies the server; with a certificate of ours loaded, or without.
    #: Certificates are compared with names unless it says otherwise (`check_hostname`).
    tls: Callable[[], ssl.SSLContext] = ssl.create_default_context
    scitoken: str = ""
    fs_directory: str = FS_DIRECTORY
    fs_channel_binding: bool = True


def account_of(uid: int) -> str:
    """The name of a user of this host."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        raise MethodFailed(f"nobody on this host has the user id {uid}") from None


@dataclass(frozen=True)
class Doorkeeper:
    """What a server knows clients by."""

    #: Added to names without a domain: accounts of this host, claims.
    uid_domain: str = ""
    #: Who issues our tokens, and the `signing_key`s by name.
    trust_domain: str = ""
    signing_keys: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    token_max_age: float = 0
    #: For SSL: our certificate; asks for one of the client's, or not.
    tls: Callable[[], ssl.SSLContext] | None = None
    #: The user of a certificate's subject, or None.
    map_subject: Callable[[str], str | None] = lambda subject: None
    fs_directory: str = FS_DIRECTORY
    account: Callable[[int], str] = account_of
    clock: Callable[[], float] = lambda: 0.0


@dataclass(frozen=True)
class Proven:
    """Who the client is, and what a key may be wrapped with (None: nothing secret was agreed)."""

    user: str
    secret: bytes | None = field(default=None, repr=False)
    limits: frozenset[Level] | None = None


def with_domain(user: str, domain: str) -> str:
    return user if "@" in user or not domain else f"{user}@{domain}"
