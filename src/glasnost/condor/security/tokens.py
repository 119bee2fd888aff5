"""IDTOKENS: signing keys, tokens, and what an exchange computes from them.

A token is a JWT that its issuer signed with a key of its own. It is never sent whole: who has it
proves that it knows the signature, and the issuer can compute that again from the rest.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from glasnost.condor.commands import Level
from glasnost.condor.security.keys import hkdf
from glasnost.condor.security.seeds import SEED_A
from glasnost.errors import TrustError

#: The key that a pool's collector makes at its first start; alone among keys it is used doubled.
POOL: Final = "POOL"
#: Some tokens name dozens of permissions; none comes near this.
MAX_TOKEN: Final = 16_384
#: What hides a key's file from a glance.
_SCRAMBLE: Final = b"\xde\xad\xbe\xef"
_SALT: Final = b"htcondor"
_HASHES: Final = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}
_SCOPE: Final = "condor:/"


def scrambled(data: bytes) -> bytes:
    """A key as its file holds it, or the key that a file holds: once more gives what it was."""
    return bytes(byte ^ _SCRAMBLE[at % 4] for at, byte in enumerate(data))


def signing_key(name: str, file: bytes) -> bytes:
    """The key that signs tokens, from what the file of this name holds."""
    material = scrambled(file)
    if not material:
        raise TrustError(f"the signing key {name!r} is empty")
    return hkdf(material * 2 if name == POOL else material, _SALT, b"master jwt")


@dataclass(frozen=True)
class Token:
    """A token that was read; whether it holds, `check` says."""

    #: ``header.payload`` as it was: what is signed, and what is sent.
    signed: str
    #: Empty where only that has been sent.
    signature: bytes = field(repr=False)
    key_name: str
    issuer: str
    subject: str
    ident: str
    issued: int | None
    expires: int | None
    #: The permissions that it is limited to, or None.
    levels: frozenset[Level] | None
    algorithm: str = "HS256"

    def text(self) -> str:
        """The token as its file holds it: a secret."""
        return f"{self.signed}.{_encode(self.signature)}"

    def check(self, now: float, max_age: float = 0) -> None:
        """Raises `TrustError` where the issuer would not take it (any more)."""
        if not self.issuer or not self.ident:
            raise TrustError("a token without issuer or id")
        if self.expires is not None and now >= self.expires:
            raise TrustError(f"the token of {self.subject} has expired")
        if max_age > 0 and (self.issued is None or now - self.issued > max_age):
            raise TrustError(f"the token of {self.subject} is too old")


def read_token(text: str) -> Token:
    """A token as its file holds it. Raises `TrustError` for none."""
    signed, dot, signature = text.strip().rpartition(".")
    if not dot or "." not in signed:
        raise TrustError("a token is three words with dots between them")
    return read_signed(signed, _decode(signature))


def read_signed(signed: str, signature: bytes = b"") -> Token:
    """A token of which only the signed part was sent."""
    if len(signed) > MAX_TOKEN:
        raise TrustError(f"a token of more than {MAX_TOKEN} characters")
    header, dot, payload = signed.partition(".")
    head, claims = _object(header), _object(payload)
    if not dot or head.get("alg") not in _HASHES:
        raise TrustError("a token that is not signed as HTCondor's are")
    scope = claims.get("scope")
    return Token(
        signed=signed,
        signature=signature,
        # A token that names no key is of the pool's.
        key_name=_word(head, "kid") or POOL,
        issuer=_word(claims, "iss"),
        subject=_word(claims, "sub"),
        ident=_word(claims, "jti"),
        issued=_time(claims, "iat"),
        expires=_time(claims, "exp"),
        levels=None if scope is None else _levels(_word(claims, "scope")),
        algorithm=head["alg"],
    )


def make_token(
    key: bytes,
    key_name: str,
    issuer: str,
    subject: str,
    ident: bytes,
    now: float,
    lifetime: float | None = None,
    levels: Iterable[Level] | None = None,
) -> Token:
    """A new token, signed with `signing_key`; ``ident`` are some random bytes."""
    claims: dict[str, Any] = {"iat": int(now), "iss": issuer, "jti": ident.hex(), "sub": subject}
    if lifetime is not None:
        claims["exp"] = int(now + lifetime)
    if levels is not None:
        claims["scope"] = " ".join(sorted(f"{_SCOPE}{level.value}" for level in levels))
    header = {"alg": "HS256", "kid": key_name}
    signed = ".".join(_encode(msgspec.json.encode(part)) for part in (header, claims))
    return read_signed(signed, _sign(signed, key, "HS256"))


def signature_of(token: Token, keys: Mapping[str, bytes]) -> bytes:
    """The signature that a token must have, by the keys of its issuer (names, `signing_key`)."""
    key = keys.get(token.key_name)
    if key is None:
        raise TrustError(f"no signing key is called {token.key_name[:40]!r} here")
    return _sign(token.signed, key, token.algorithm)


def choose(
    tokens: Iterable[Token], trust_domain: str, issuer_keys: Iterable[str]
) -> Iterator[Token]:
    """The tokens that a server may take: those of its domain, by a key that it has. A server that
    names neither may take any."""
    keys = set(issuer_keys)
    for token in tokens:
        if trust_domain and token.issuer != trust_domain:
            continue
        if not keys or token.key_name in keys:
            yield token


@dataclass(frozen=True)
class Proofs:
    """What both sides compute from a token's signature (K of HTCondor's sources)."""

    key: bytes = field(repr=False)

    @classmethod
    def of(cls, signature: bytes, signed: str) -> Proofs:
        return cls(hkdf(signature, SEED_A + signed.encode(), b"master ka"))

    def of_server(self, client: bytes, server: bytes, asked: bytes, answered: bytes) -> bytes:
        return self._sum(client + b" " + server + b"\0" + asked + answered)

    def of_client(self, client: bytes, answered: bytes) -> bytes:
        return self._sum(client + b"\0" + answered)

    def _sum(self, data: bytes) -> bytes:
        return hmac.new(self.key, data, hashlib.sha1).digest()


def wrap_secret(answered: bytes) -> bytes:
    """What a session's key is wrapped with, where it is sent."""
    return hkdf(answered, b"session key", b"htcondor")


def _sign(signed: str, key: bytes, algorithm: str) -> bytes:
    return hmac.new(key, signed.encode(), _HASHES[algorithm]).digest()


def _levels(scope: str) -> frozenset[Level]:
    """The permissions of a scope; of others' scopes it has none."""
    names = {item.removeprefix(_SCOPE) for item in scope.split() if item.startswith(_SCOPE)}
    return frozenset(level for level in Level if level.value in names)


def _object(text: str) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(_decode(text))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise TrustError("a token whose parts are no JSON")
    return found


def _word(found: dict[str, Any], name: str) -> str:
    value = found.get(name, "")
    if not isinstance(value, str):
        raise TrustError(f"{name} of a token is no text")
    return value


def _time(found: dict[str, Any], name: str) -> int | None:
    value = found.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 2**53:
        raise TrustError(f"{name} of a token is no time")
    return int(value)


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise TrustError("a token that is no base64") from None
