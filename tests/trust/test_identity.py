"""Whom a certificate names."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glasnost.errors import TrustError
from glasnost.trust.identity import Identity, identity_of
from tests.trust.pool import DOMAIN

CASES = [
    ("DNS", f"node7.{DOMAIN}", "node7", f"node7.{DOMAIN}"),
    ("DNS", f"web.node7.{DOMAIN}", "web.node7", f"web.node7.{DOMAIN}"),
    ("DNS", f"my_web.node7.{DOMAIN}", "my_web.node7", f"my_web.node7.{DOMAIN}"),
    ("DNS", f"authority.{DOMAIN}", "authority", f"authority.{DOMAIN}"),
    ("email", f"alice@node7.{DOMAIN}", "alice@node7", f"node7.{DOMAIN}"),
    ("email", f"a.b+c@node7.{DOMAIN}", "a.b+c@node7", f"node7.{DOMAIN}"),
]


@pytest.mark.parametrize("kind, name, short, full", CASES)
def test_a_certificate_names_one(kind: str, name: str, short: str, full: str) -> None:
    identity = identity_of({"subjectAltName": ((kind, name),)}, DOMAIN)
    assert str(identity) == short
    assert identity.full == full
    assert identity.domain == DOMAIN


REFUSED = [
    ("no certificate", None),
    ("an unverified one", {}),
    ("no name", {"subjectAltName": ()}),
    ("two names", {"subjectAltName": (("DNS", f"a.{DOMAIN}"), ("DNS", f"b.{DOMAIN}"))}),
    ("another pool", {"subjectAltName": (("DNS", "web.node7.other.glasnost.internal"),)}),
    ("the domain itself", {"subjectAltName": (("DNS", DOMAIN),)}),
    ("too deep", {"subjectAltName": (("DNS", f"a.b.c.{DOMAIN}"),)}),
    ("a wildcard", {"subjectAltName": (("DNS", f"*.node7.{DOMAIN}"),)}),
    ("an empty label", {"subjectAltName": (("DNS", f".node7.{DOMAIN}"),)}),
    ("capitals", {"subjectAltName": (("DNS", f"Web.node7.{DOMAIN}"),)}),
    ("a line's end", {"subjectAltName": (("DNS", f"web.node7.{DOMAIN}\n"),)}),
    ("a domain that only ends alike", {"subjectAltName": (("DNS", f"web.node7.x{DOMAIN}"),)}),
    ("an address", {"subjectAltName": (("IP Address", "10.0.0.7"),)}),
    ("a link", {"subjectAltName": (("URI", f"https://node7.{DOMAIN}/"),)}),
    ("mail at a service", {"subjectAltName": (("email", f"alice@web.node7.{DOMAIN}"),)}),
    ("mail at the domain", {"subjectAltName": (("email", f"alice@{DOMAIN}"),)}),
    ("mail of nobody", {"subjectAltName": (("email", f"@node7.{DOMAIN}"),)}),
    ("two at", {"subjectAltName": (("email", f"a@b@node7.{DOMAIN}"),)}),
    ("only a common name", {"subject": ((("commonName", f"web.node7.{DOMAIN}"),),)}),
]


@pytest.mark.parametrize("name, peercert", REFUSED, ids=[case[0] for case in REFUSED])
def test_these_name_nobody_of_ours(name: str, peercert: dict[str, Any] | None) -> None:
    with pytest.raises(TrustError):
        identity_of(peercert, DOMAIN)


ANYTHING = st.recursive(
    st.none() | st.integers() | st.text() | st.sampled_from(["DNS", "email", DOMAIN]),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.tuples(inner),
)


@given(ANYTHING)
def test_anything_is_an_identity_or_untrusted(names: Any) -> None:
    with pytest.raises(TrustError):
        identity_of({"subjectAltName": names}, DOMAIN)


@given(st.sampled_from(["DNS", "email"]), st.text(max_size=80))
def test_any_name_is_an_identity_or_untrusted(kind: str, name: str) -> None:
    try:
        found = identity_of({"subjectAltName": ((kind, f"{name}.{DOMAIN}"),)}, DOMAIN)
    except TrustError:
        return
    assert str(found) == name


def test_identities_are_values() -> None:
    one = Identity("node7", "web", domain=DOMAIN)
    assert one == Identity("node7", "web", domain=DOMAIN)
    assert len({one, Identity("node7", domain=DOMAIN)}) == 2
