"""Join tokens: one line of text that lets one new node in, once.

``glasnost-join-1.`` and, in base64url without padding, a MessagePack map and the first four bytes
of its SHA-256. Those only find slips of copying: what proves anything is the secret.
"""

from __future__ import annotations

import base64
from hashlib import sha256
from typing import Final

import msgspec

from glasnost.errors import TrustError
from glasnost.trust.identity import is_domain, is_label, is_node

_FAMILY: Final = "glasnost-join-"
_PREFIX: Final = f"{_FAMILY}1."
_CHECK: Final = 4
#: A token is about 400 characters; an address with many routes may add a few thousand.
_MAX_TEXT: Final = 16_384
#: Bytes of a fingerprint (SHA-256) and of a secret (128 random bits, like a reply name).
FINGERPRINT_SIZE: Final = 32
SECRET_SIZE: Final = 16


class JoinToken(msgspec.Struct, frozen=True):
    """What a new node must know. ``authority`` is the text of the authority's address,
    ``fingerprint`` its root's; ``id`` and ``secret`` are shown to it once; ``not_after`` in
    seconds since 1970; ``networks`` names those the node is on. Its text is the secret."""

    pool: str
    domain: str
    node: str
    authority: str
    fingerprint: bytes
    id: str
    secret: bytes
    not_after: int
    networks: tuple[str, ...] = ()

    def __str__(self) -> str:
        body = msgspec.msgpack.encode(self)
        return _PREFIX + _armour(body + sha256(body).digest()[:_CHECK])

    def __repr__(self) -> str:
        return f"<JoinToken {self.id} for {self.node}.{self.domain}>"

    @classmethod
    def parse(cls, text: str) -> JoinToken:
        """Read what ``str()`` writes; white space around it is ignored. Raises `TrustError`."""
        text = text.strip()
        if not text.startswith(_PREFIX):
            if text.startswith(_FAMILY):
                raise TrustError("this join token is of a version that is not understood here")
            raise TrustError(f"this is no join token: one begins with {_PREFIX}")
        body = _open(text.removeprefix(_PREFIX))
        try:
            token = _decoder.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise TrustError("this join token does not say what a join token must") from None
        if not _is_sound(token):
            raise TrustError("this join token does not say what a join token must")
        return token


_decoder = msgspec.msgpack.Decoder(JoinToken)


def _open(text: str) -> bytes:
    """The armoured bytes, without their checksum."""
    damaged = TrustError("this join token is damaged: copy the whole line")
    if len(text) > _MAX_TEXT:
        raise damaged
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError:
        raise damaged from None
    body, check = data[:-_CHECK], data[-_CHECK:]
    # One text for one token: base64 has unused bits at the end, which a slip could change.
    if sha256(body).digest()[:_CHECK] != check or _armour(data) != text:
        raise damaged
    return body


def _armour(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode("ascii").rstrip("=")


def _is_sound(token: JoinToken) -> bool:
    return (
        is_label(token.pool)
        and is_domain(token.domain)
        and is_node(token.node)
        and len(token.fingerprint) == FINGERPRINT_SIZE
        and len(token.secret) == SECRET_SIZE
    )
