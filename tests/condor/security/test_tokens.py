"""Tokens: read, made, checked, and what an exchange computes from them."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glasnost.condor.commands import Level
from glasnost.condor.security.keys import hkdf
from glasnost.condor.security.seeds import SEED_A
from glasnost.condor.security.tokens import (
    MAX_TOKEN,
    Proofs,
    choose,
    make_token,
    read_signed,
    read_token,
    scrambled,
    signature_of,
    signing_key,
    wrap_secret,
)
from glasnost.errors import TrustError
from tests.condor.cedar.vectors import FOLDER

VECTOR = json.loads((FOLDER / "idtokens.json").read_text("utf-8"))
FILE = bytes.fromhex(VECTOR["key_file_hex"])
KEY = signing_key("POOL", FILE)
ASKED, ANSWERED = b"\xaa" * 256, b"\xbb" * 256


def test_the_key_of_a_file() -> None:
    assert (scrambled(FILE) * 2).hex() == VECTOR["unscrambled_and_doubled_hex"]
    assert KEY.hex() == VECTOR["jwt_signing_key_hex"]
    assert scrambled(scrambled(FILE)) == FILE
    assert signing_key("OTHER", FILE) != KEY  # only the pool's is doubled


def test_the_token_and_its_signature() -> None:
    token = read_token(VECTOR["token"])
    assert token.signed == VECTOR["header_dot_payload"]
    assert token.signature.hex() == VECTOR["jwt_signature_hex"]
    assert signature_of(read_signed(token.signed), {"POOL": KEY}) == token.signature
    assert (token.subject, token.issuer) == (VECTOR["A"], "pool.example.org")
    assert token.text() == VECTOR["token"]


def test_an_exchange() -> None:
    signature, signed = bytes.fromhex(VECTOR["jwt_signature_hex"]), VECTOR["header_dot_payload"]
    proofs = Proofs.of(signature, signed)
    client, server = VECTOR["A"].encode(), VECTOR["B"].encode()
    assert proofs.key.hex() == VECTOR["K_hex"]
    assert proofs.of_server(client, server, ASKED, ANSWERED).hex() == VECTOR["server_mac_hKT_hex"]
    assert proofs.of_client(client, ANSWERED).hex() == VECTOR["client_mac_hK_hex"]
    assert wrap_secret(ANSWERED).hex() == VECTOR["key_wrap_secret_hex"]
    # What logged in at a real collector, byte by byte, counts beside what was worked out.
    real = json.loads((FOLDER / "real_collector_sessions.json").read_text("utf-8"))
    assert SEED_A.hex() == VECTOR["seed_ka_256_bytes_hex"]
    assert SEED_A.hex() == real["idtokens_constants"]["seed_ka_256_bytes"]
    # The second key plays no part in an exchange; it is how the vector is known to be ours.
    second = hkdf(
        signature, bytes.fromhex(VECTOR["seed_kb_256_bytes_hex"]) + signed.encode(), b"master kb"
    )
    assert second.hex() == VECTOR["K_prime_hex"]


@given(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20),
    st.none() | st.integers(1, 10**6),
    st.none() | st.frozensets(st.sampled_from(Level)),
)
def test_what_was_made_is_read(
    subject: str, lifetime: int | None, levels: frozenset[Level] | None
) -> None:
    token = make_token(KEY, "POOL", "pool", subject, b"\1\2", 1000.5, lifetime, levels)
    found = read_token(token.text() + "\n")
    assert found == token
    assert (found.subject, found.levels, found.issued) == (subject, levels, 1000)
    assert found.expires == (None if lifetime is None else int(1000.5 + lifetime))
    assert signature_of(found, {"POOL": KEY}) == found.signature
    assert subject not in repr(found) or found.text() not in repr(found)


def test_a_token_holds_until_it_does_not() -> None:
    token = make_token(KEY, "POOL", "pool", "a@b", b"id", 1000, lifetime=60)
    token.check(1059.9, max_age=100)
    for now, age in ((1060, 0), (1059, 30)):
        with pytest.raises(TrustError):
            token.check(now, age)
    for incomplete in (replace(token, issuer=""), replace(token, ident="")):
        with pytest.raises(TrustError, match="without issuer or id"):
            incomplete.check(1000)


def test_the_tokens_that_a_server_may_take() -> None:
    ours, theirs = (make_token(KEY, "POOL", name, "a@b", b"id", 0) for name in ("us", "them"))
    other = make_token(KEY, "NEW", "us", "a@b", b"id", 0)
    assert list(choose([theirs, ours, other], "us", ["POOL"])) == [ours]
    assert list(choose([theirs, ours, other], "us", [])) == [ours, other]
    assert list(choose([theirs, ours, other], "", ["NEW"])) == [other]
    assert list(choose([theirs, ours, other], "", [])) == [theirs, ours, other]


def test_a_key_that_nobody_has() -> None:
    token = make_token(KEY, "NEW", "us", "a@b", b"id", 0)
    with pytest.raises(TrustError, match="'NEW'"):
        signature_of(token, {"POOL": KEY})
    with pytest.raises(TrustError, match="empty"):
        signing_key("NEW", b"")


def encoded(value: object) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


HEAD = {"alg": "HS256", "kid": "POOL"}
BAD = [
    ("no token", "hello"),
    ("two words", "a.b"),
    ("no base64", "!.?.!"),
    ("no JSON", f"{encoded(b'{')}.{encoded({})}.x"),
    ("bytes that are no text", encoded(b'{"a":"\xff"}') + "." + encoded({}) + ".x"),
    ("a list", f"{encoded([])}.{encoded({})}.AA"),
    ("no signature's name", f"{encoded({})}.{encoded({})}.AA"),
    ("unsigned", f"{encoded({'alg': 'none'})}.{encoded({})}.AA"),
    ("signed otherwise", f"{encoded({'alg': 'RS256'})}.{encoded({})}.AA"),
    ("a subject that is a number", f"{encoded(HEAD)}.{encoded({'sub': 7})}.AA"),
    ("an end that is a text", f"{encoded(HEAD)}.{encoded({'exp': '7'})}.AA"),
    ("an end beyond all", f"{encoded(HEAD)}.{encoded({'exp': 10**300})}.AA"),
    ("far too long", f"{encoded(HEAD)}.{encoded({'sub': 'x' * MAX_TOKEN})}.AA"),
    ("nested without end", f"{encoded(HEAD)}.{encoded(b'[' * 9000)}.AA"),
]


@pytest.mark.parametrize("text", [case[1] for case in BAD], ids=[case[0] for case in BAD])
def test_no_token(text: str) -> None:
    with pytest.raises(TrustError):
        read_token(text)
