"""Join tokens: one line, read back exactly or refused with a sentence."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glasnost.errors import TrustError
from glasnost.trust.tokens import JoinToken

TOKEN = JoinToken(
    pool="lab",
    domain="lab.glasnost.internal",
    node="node7",
    authority="public/ip4:203.0.113.9:9618/service:authority",
    fingerprint=bytes(range(32)),
    id="4f2a91",
    secret=b"0123456789abcdef",
    not_after=1_800_003_600,
    networks=("lab",),
)
TEXT = str(TOKEN)


def test_a_token_is_one_line_and_reads_back() -> None:
    assert TEXT.startswith("glasnost-join-1.")
    assert not any(character.isspace() for character in TEXT)
    assert JoinToken.parse(f"  {TEXT}\n") == TOKEN


def test_a_log_does_not_learn_the_secret() -> None:
    assert repr(TOKEN) == "<JoinToken 4f2a91 for node7.lab.glasnost.internal>"


REFUSED = [
    ("nothing", "", "no join token"),
    ("something else", "ssh-ed25519 AAAA", "no join token"),
    ("a later version", TEXT.replace("-1.", "-2.", 1), "version"),
    ("cut", TEXT[:-1], "damaged"),
    ("cut to nothing", "glasnost-join-1.", "damaged"),
    ("too much", TEXT + "A", "damaged"),
    ("two lines", TEXT[:50] + "\n" + TEXT[50:], "damaged"),
    ("padded", TEXT + "=", "damaged"),
    ("a book", "glasnost-join-1." + "A" * 100_000, "damaged"),
]


@pytest.mark.parametrize("name, text, says", REFUSED, ids=[case[0] for case in REFUSED])
def test_these_are_refused(name: str, text: str, says: str) -> None:
    with pytest.raises(TrustError, match=says):
        JoinToken.parse(text)


@pytest.mark.parametrize("node, domain", [("authority", "x.y"), ("a.b", "x.y"), ("a", "X")])
def test_a_token_must_name_what_can_be(node: str, domain: str) -> None:
    odd = JoinToken("lab", domain, node, "", bytes(32), "id", bytes(16), 0)
    with pytest.raises(TrustError, match="does not say"):
        JoinToken.parse(str(odd))


@given(st.integers(0, len(TEXT) - 1), st.characters())
def test_no_character_may_change(at: int, character: str) -> None:
    changed = TEXT[:at] + character + TEXT[at + 1 :]
    if changed.strip() == TEXT:
        return
    with pytest.raises(TrustError):
        JoinToken.parse(changed)


@given(st.text() | st.text().map("glasnost-join-1.".__add__))
def test_any_text_is_a_token_or_untrusted(text: str) -> None:
    with pytest.raises(TrustError):
        JoinToken.parse(text)
