"""Who a peer is, as its certificate says.

Names below a pool's domain: ``node7`` is a node, ``web.node7`` a service on it, ``alice@node7`` a
person there, ``authority`` the pool's authority. A certificate names exactly one of them, in its
one subject alternative name. That the issuer had the right to, the TLS library has checked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from glasnost.core.address.names import check_label
from glasnost.errors import BadName, TrustError

#: No node may be called so: this name, directly below the domain, is the authority's own.
AUTHORITY: Final = "authority"
#: Names of local users: what useradd and LDAP give, in the characters of a mail address.
_USER = re.compile(r"[A-Za-z0-9_$+-][A-Za-z0-9_$+.-]{0,62}", re.ASCII)


@dataclass(frozen=True)
class Identity:
    """A node, a service on it, or a user there.

    >>> str(Identity("node7", "web", domain="lab.glasnost.internal"))
    'web.node7'
    """

    node: str
    service: str = ""
    user: str = ""
    domain: str = field(kw_only=True)

    def __str__(self) -> str:
        if self.user:
            return f"{self.user}@{self.node}"
        return f"{self.service}.{self.node}" if self.service else self.node

    @property
    def full(self) -> str:
        """The DNS name; of a user, the name of the node it is on."""
        host = f"{self.node}.{self.domain}"
        return f"{self.service}.{host}" if self.service else host


def is_label(text: str) -> bool:
    """May this stand between two dots of a name here?"""
    try:
        return check_label(text) == text  # certificates spell every name in one way
    except BadName:
        return False


def is_user(text: str) -> bool:
    """May this stand before the @ of a user's identity?"""
    return _USER.fullmatch(text) is not None


def is_node(text: str) -> bool:
    """May a node be called so?"""
    return is_label(text) and text != AUTHORITY


def is_domain(text: str) -> bool:
    """Is this a pool's domain? 127: two labels of 63 and their dots go before it in 255 bytes."""
    return len(text) <= 127 and all(is_label(label) for label in text.split("."))


def identity_of(peercert: Mapping[str, Any] | None, domain: str) -> Identity:
    """Whom a verified peer's certificate names (`ssl.SSLSocket.getpeercert`). `TrustError` if it
    names nobody, more than one, or somebody of another pool."""
    match (peercert or {}).get("subjectAltName"):
        case [["DNS", str(name)]]:
            return identity_named(name, domain)
        case [["email", str(address)]]:
            user, _, host = address.partition("@")
            at = identity_named(host, domain)
            if at.service or not is_user(user):
                raise TrustError(f"the certificate names {address!r}, not a user on a node")
            return Identity(at.node, user=user, domain=domain)
        case None | () | []:
            raise TrustError("the peer's certificate names nobody")
        case _:
            raise TrustError("the peer's certificate must have exactly one name, of ours")


def identity_named(name: str, domain: str) -> Identity:
    """The node or service with this full DNS name. Raises `TrustError`."""
    labels = name.removesuffix(f".{domain}").split(".")
    if not name.endswith(f".{domain}") or not all(is_label(label) for label in labels):
        raise TrustError(f"the certificate's name {name!r} is not one below {domain}")
    match labels:
        case [node]:
            return Identity(node, domain=domain)
        case [service, node]:
            return Identity(node, service, domain=domain)
        case _:
            raise TrustError(f"the certificate's name {name!r} is more than two labels deep")
