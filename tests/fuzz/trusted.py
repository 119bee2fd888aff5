"""Parsers of what proves something: join tokens, certificates, requests, signed records."""

from __future__ import annotations

import base64
import functools
import tempfile
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import strategies as st

from glasnost.core.wire.messages import Record, Signed
from glasnost.errors import GlasnostError, ProtocolError, SettingsError, TrustError
from glasnost.roles.home import Pool, _read_pool
from glasnost.trust import checks
from glasnost.trust.certificates import make_csr
from glasnost.trust.identity import identity_named, identity_of
from glasnost.trust.keys import key_from_pem, key_to_pem, new_key
from glasnost.trust.records import Verifier, sign_record
from glasnost.trust.tokens import JoinToken
from tests.fuzz.parser import Parser, mutated, remade, text_of, texts
from tests.trust.pool import DOMAIN, lab, node7

TOKEN: dict[str, Any] = {
    "pool": "lab",
    "domain": DOMAIN,
    "node": "node7",
    "authority": "public/ip4:203.0.113.9:9618",
    "fingerprint": bytes(32),
    "id": "4f2a91",
    "secret": bytes(16),
    "not_after": 1_750_000_000,
}
NAMES = [f"web.node7.{DOMAIN}", f"node7.{DOMAIN}", f"alice@node7.{DOMAIN}", f"a.b.node7.{DOMAIN}"]


def armoured(body: bytes) -> str:
    """A token's text around any body, its checksum right."""
    data = body + sha256(body).digest()[:4]
    return "glasnost-join-1." + base64.urlsafe_b64encode(data).decode().rstrip("=")


def check_token(text: str) -> bool:
    try:
        token = JoinToken.parse(text)
    except TrustError as error:
        assert "\n" not in str(error)
        assert len(str(error)) < 200
        return False
    assert JoinToken.parse(str(token)) == token
    return True


@functools.cache
def certificates() -> list[bytes]:
    pool = lab()
    leaf = pool.service(node7(), "web").chain[0]
    return [checks.to_der(one) for one in (pool.root, node7().cert, leaf)]


def check_certificate(der: bytes) -> bool:
    """Read, and asked everything that is ever asked of a certificate."""
    try:
        certificate = checks.read_certificate(der)
    except TrustError:
        return False
    questions: list[Any] = [
        lambda: checks.check_node(lab().root, certificate, lab().now),
        lambda: checks.subtree(certificate),
        lambda: checks.domain_of(certificate),
        lambda: identity_of({"subjectAltName": checks.names(certificate)}, DOMAIN),
        lambda: (checks.issued(certificate), checks.not_after(certificate)),
        lambda: checks.fingerprint(certificate),
    ]
    for question in questions:
        try:
            question()
        except TrustError as error:
            assert str(error)
    return True


def check_csr(der: bytes) -> bool:
    try:
        checks.read_csr(der)
    except TrustError as error:
        assert str(error)
        return False
    return True


@functools.cache
def signed() -> bytes:
    record = Record(NAMES[0], "public/ip4:192.0.2.1:9618", sequence=1, not_after=2**40)
    return msgspec.msgpack.encode(sign_record(record, node7().key, node7().cert))


@functools.cache
def verifier() -> Verifier:
    return Verifier(lab().root, DOMAIN)


def check_signed(body: bytes) -> bool:
    """Nothing that was changed is believed."""
    try:
        found = msgspec.msgpack.decode(body, type=Signed)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    try:
        record = verifier().verify(found, lab().now)
    except (TrustError, ProtocolError) as error:
        assert str(error)
        return False
    assert record.name == NAMES[0]
    assert found.payload == msgspec.msgpack.decode(signed(), type=Signed).payload
    return True


def check_identity(name: str) -> bool:
    taken = False
    shown: list[Any] = [
        {"subjectAltName": (("DNS", name),)},
        {"subjectAltName": (("email", name),)},
        {"subjectAltName": (("DNS", name), ("DNS", name))},
        {"subjectAltName": ((name, name),)},
        {},
    ]
    for certificate in shown:
        try:
            identity = identity_of(certificate, DOMAIN)
        except TrustError as error:
            assert str(error)
            continue
        assert identity.full.endswith(f".{DOMAIN}")
        assert identity_named(identity.full, DOMAIN).node == identity.node
        taken = True
    return taken


def check_key(pem: bytes) -> bool:
    try:
        key_from_pem(pem)
    except TrustError:
        return False
    return True


@functools.cache
def _file() -> Path:
    return Path(tempfile.mkdtemp(prefix="glasnost-fuzz-")) / "pool.json"


def check_pool(data: bytes) -> bool:
    _file().write_bytes(data)
    try:
        _read_pool(_file())
    except (SettingsError, TrustError) as error:
        assert isinstance(error, GlasnostError)
        return False
    return True


_POOLS = [
    msgspec.json.encode(Pool(DOMAIN, "node7", "public/ip4:203.0.113.9:9618", (), ("lab",))),
    b"[" * 2000,
]
_TOKENS = [armoured(msgspec.msgpack.encode(TOKEN)), "glasnost-join-2.AAAA"]


def _key() -> bytes:
    return key_to_pem(new_key())


PARSERS = [
    Parser(
        "join token",
        ("glasnost.trust.tokens.JoinToken.parse", "glasnost.trust.tokens._open"),
        check_token,
        st.text(max_size=100)
        | texts(_TOKENS, "AB_=-.\n ")
        | remade([msgspec.msgpack.encode(TOKEN)]).map(armoured)
        | st.binary(max_size=60).map(armoured),
        of=lambda data: text_of(data) if data[:1] == b"g" else armoured(data),
        seeds=lambda: [_TOKENS[0].encode(), msgspec.msgpack.encode(TOKEN)],
    ),
    Parser(
        "certificate",
        (
            "glasnost.trust.checks.read_certificate",
            "glasnost.trust.checks.check_node",
            "glasnost.trust.checks.subtree",
            "glasnost.trust.checks.names",
        ),
        check_certificate,
        st.binary(max_size=60) | st.deferred(lambda: mutated(certificates())),
        seeds=certificates,
    ),
    Parser(
        "certificate request",
        ("glasnost.trust.checks.read_csr",),
        check_csr,
        st.binary(max_size=60) | st.deferred(lambda: mutated([make_csr(node7().key)])),
        seeds=lambda: [make_csr(node7().key)],
    ),
    Parser(
        "signed record",
        ("glasnost.trust.records.Verifier.verify",),
        check_signed,
        st.deferred(lambda: mutated([signed()])) | st.deferred(lambda: remade([signed()])),
        seeds=lambda: [signed()],
    ),
    Parser(
        "identity in a certificate",
        ("glasnost.trust.identity.identity_of", "glasnost.trust.identity.identity_named"),
        check_identity,
        st.text(max_size=40) | texts(NAMES),
        of=text_of,
        seeds=lambda: [name.encode() for name in NAMES],
    ),
    Parser(
        "private key",
        ("glasnost.trust.keys.key_from_pem",),
        check_key,
        st.binary(max_size=60) | st.deferred(lambda: mutated([_key()])),
        seeds=lambda: [_key()],
    ),
    Parser(
        "pool.json",
        ("glasnost.roles.home._read_pool",),
        check_pool,
        st.binary(max_size=60)
        | mutated(_POOLS)
        | texts([text.decode() for text in _POOLS]).map(
            lambda text: text.encode("utf-8", "surrogatepass")
        ),
        seeds=lambda: _POOLS,
    ),
]
