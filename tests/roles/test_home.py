"""A node's home: whole or not there, private, and usable as long as it can be renewed."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from glasnost.core.wire.messages import Directory, Enrolled
from glasnost.errors import GlasnostError, SettingsError, TrustError, Unavailable
from glasnost.roles.home import NodeIdentity, write_home
from glasnost.roles.home import Pool as Told
from glasnost.trust import checks
from glasnost.trust.certificates import issue_node, make_csr
from glasnost.trust.keys import key_to_pem, new_key, write_private
from tests.roles.agent_lab import settle
from tests.trust.pool import DAY, Node, Pool, lab, node7, node8

FULL = "node7.lab.glasnost.internal"


def again(lifetime: float = 7 * DAY, now: float | None = None) -> Enrolled:
    """The authority's next certificate for node7."""
    pool, key = lab(), node7().key.public_key()
    now = time.time() if now is None else now
    cert = issue_node(pool.key, pool.root, "node7", pool.domain, key, now, lifetime)
    return Enrolled(certificate=checks.to_der(cert))


def test_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    home = settle(tmp_path)
    assert home.stat().st_mode & 0o777 == 0o700
    assert {path.name for path in home.iterdir()} == {
        "node.key",
        "node.crt",
        "root.crt",
        "pool.json",
    }
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in home.iterdir())


def test_it_speaks_for_its_own_names_alone(tmp_path: Path) -> None:
    identity = NodeIdentity(settle(tmp_path))
    assert str(identity.credentials.identity) == "node7"
    csr = make_csr(new_key())
    leaf, node = identity.certify_service("web", csr)
    assert checks.names(leaf) == (("DNS", f"web.{FULL}"),) and node == identity.certificate
    leaf, _ = identity.certify_user("alice", csr)
    assert checks.names(leaf) == (("email", f"alice@{FULL}"),)
    for name in ("a.b", "", "*"):
        with pytest.raises(TrustError):
            identity.certify_service(name, csr)


Spoil = Callable[[Path], object]
SPOILT: list[tuple[str, Spoil, type[GlasnostError], str]] = [
    ("nothing there", lambda home: (home / "pool.json").unlink(), Unavailable, "joined no pool"),
    ("no key", lambda home: (home / "node.key").unlink(), SettingsError, "node.key"),
    ("others read the key", lambda home: (home / "node.key").chmod(0o640), TrustError, "chmod 600"),
    (
        "no certificate in it",
        lambda home: (home / "node.crt").write_text("?"),
        SettingsError,
        "be read",
    ),
    ("no pool in it", lambda home: (home / "pool.json").write_text("{}"), SettingsError, "domain"),
    (
        "another's key",
        lambda home: write_private(home / "node.key", key_to_pem(new_key())),
        TrustError,
        "for another key",
    ),
    (
        "another's certificate",
        lambda home: (home / "node.crt").write_bytes(_pem(node8())),
        TrustError,
        f"is not that of {FULL}",
    ),
]


@pytest.mark.parametrize(
    ("spoil", "kind", "says"), [c[1:] for c in SPOILT], ids=[c[0] for c in SPOILT]
)
def test_what_is_spoilt_is_named(
    tmp_path: Path, spoil: Spoil, kind: type[GlasnostError], says: str
) -> None:
    home = settle(tmp_path)
    spoil(home)
    with pytest.raises(kind, match=says):
        NodeIdentity(home)


def test_a_node_that_was_off_for_too_long_can_still_renew(tmp_path: Path) -> None:
    """Nobody believes what it shows, and yet it must run, to ask the authority."""
    pool = Pool(time.time() - 10 * DAY)
    old = pool.node("node7", lifetime=DAY)
    home = tmp_path / "home"
    told = Told(domain=pool.domain, node="node7", authority="")
    write_home(home, old.key, pool.root, told, checks.to_der(old.cert))
    identity = NodeIdentity(home)
    now = time.time()
    assert identity.not_after < now and identity.credentials.not_after <= identity.not_after
    with pytest.raises(TrustError, match="has expired"):
        identity.certify_service("web", make_csr(new_key()))
    key = old.key.public_key()
    cert = issue_node(pool.key, pool.root, "node7", pool.domain, key, now, 7 * DAY)
    identity.renewed(Enrolled(certificate=checks.to_der(cert)))
    assert identity.credentials.not_after > now
    identity.certify_service("web", make_csr(new_key()))


def test_a_renewal_is_shown_at_once_and_kept(tmp_path: Path) -> None:
    home = settle(tmp_path)
    identity = NodeIdentity(home)
    context = identity.credentials.client_context()
    before = identity.credentials.chain
    identity.renewed(again(lifetime=8 * DAY))
    assert identity.credentials.client_context() is context
    assert identity.credentials.chain[0] != before[0]
    assert identity.credentials.chain[1] == identity.certificate == NodeIdentity(home).certificate
    assert (home / "node.crt").stat().st_mode & 0o777 == 0o600


def test_what_is_no_renewal_changes_nothing(tmp_path: Path) -> None:
    identity = NodeIdentity(settle(tmp_path))
    kept = identity.certificate
    other = checks.to_der(node8().cert)
    stranger = checks.to_der(Pool(time.time()).node("node7").cert)
    for certificate in (b"", other, stranger, checks.to_der(lab().root)):
        with pytest.raises(TrustError):
            identity.renewed(Enrolled(certificate=certificate))
    assert identity.certificate is kept


def test_directories_follow_the_authority_unless_it_knows_none(tmp_path: Path) -> None:
    one = Directory("directory.cm.lab.glasnost.internal", "public/ip4:192.0.2.1:9618")
    two = Directory("directory.cm.lab.glasnost.internal", "public/ip4:192.0.2.2:9618")
    home = settle(tmp_path, authority="public/ip4:192.0.2.1:9618", directories=(one,))
    identity = NodeIdentity(home)
    identity.renewed(again())
    assert identity.pool.directories == NodeIdentity(home).pool.directories == (one,)
    answer = again()
    identity.renewed(Enrolled(certificate=answer.certificate, directories=(two,)))
    assert identity.pool.directories == NodeIdentity(home).pool.directories == (two,)


def _pem(node: Node) -> bytes:
    return node.cert.public_bytes(Encoding.PEM)
