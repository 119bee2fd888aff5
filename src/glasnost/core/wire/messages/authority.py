"""What is said to and by an authority."""

from __future__ import annotations

from typing import Final

import msgspec

from glasnost.core.wire.messages.base import Failed, Message


class Directory(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a directory is: its full name (its certificate must show it) and its address."""

    name: str
    address: str


class Root(Message, frozen=True):
    """In the clear, before TLS: which root certificate is yours?"""


class RootIs(Message, frozen=True):
    """``now``: what the authority's clock says, in seconds since 1970 (0: nothing). In the clear
    it proves nothing, and is there for hosts whose own clock lets no certificate hold."""

    certificate: bytes = b""
    now: float = 0.0


class Enrol(Message, frozen=True):
    """A new node: the token's identifier and secret, and a certificate request (PKCS#10, DER)."""

    token: str = ""
    secret: bytes = b""
    csr: bytes = b""


class RenewNode(Message, frozen=True):
    """A node's next certificate: the one it has (DER), and a request signed by the same key."""

    certificate: bytes = b""
    csr: bytes = b""


class Enrolled(Message, frozen=True):
    """A node's certificate, and the root (DER) that the node has believed in to get it."""

    certificate: bytes = b""
    directories: tuple[Directory, ...] = ()
    networks: tuple[str, ...] = ()
    root: bytes = b""


#: What asks, and so is never taken for an answer.
QUESTIONS: Final = (
    Root,
    Enrol,
    RenewNode,
)

#: What may arrive in this conversation: its decoder accepts this list and nothing else.
AUTHORITY = Root | RootIs | Enrol | RenewNode | Enrolled | Failed
