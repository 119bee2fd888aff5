"""Credentials against OpenSSL itself: plain `ssl` over a socketpair, certificates on both sides."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import threading
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509

from glasnost.errors import TrustError
from glasnost.trust import certificates, checks
from glasnost.trust.certificates import issue_authority, issue_node_leaf, issue_service, issue_user
from glasnost.trust.credentials import Credentials
from glasnost.trust.identity import identity_of
from glasnost.trust.keys import new_key
from tests.trust.pool import DAY, DOMAIN, Node, Pool, lab, node7, node8

WEB = f"web.node7.{DOMAIN}"
Shaken = tuple[ssl.SSLSocket, ssl.SSLSocket]


@contextlib.contextmanager
def shaken(client: ssl.SSLContext, server: ssl.SSLContext, name: str | None) -> Iterator[Shaken]:
    """Client and server after their handshake; the first side's error is raised."""
    ours, theirs = socket.socketpair()
    errors: list[BaseException] = []
    done: list[ssl.SSLSocket] = []

    def serve() -> None:
        theirs.settimeout(10)
        try:
            done.append(server.wrap_socket(theirs, server_side=True))
        except OSError as error:
            errors.append(error)
            theirs.close()

    thread = threading.Thread(target=serve)
    thread.start()
    with ours, theirs:
        ours.settimeout(10)
        try:
            wrapped = client.wrap_socket(ours, server_hostname=name)
        except BaseException:
            ours.close()
            thread.join()
            raise
        thread.join()
        with wrapped:
            if errors:
                raise errors[0]
            with done[0]:
                yield wrapped, done[0]


def forged(node: Node, names: list[x509.GeneralName]) -> Credentials:
    """A leaf that a node's key has signed though it had no right to."""
    key = new_key()
    extensions = certificates._leaf(names[0])[:3]
    extensions.append((x509.SubjectAlternativeName(names), False))
    leaf = certificates._issue(
        "forged", key.public_key(), node.key, node.cert, extensions, lab().now, DAY
    )
    made = lab().service(node, "placeholder")
    made.key, made.chain = key, (leaf, node.cert)
    return made


def test_both_sides_verify_each_other() -> None:
    server, client = lab().service(node7(), "web"), lab().agent(node8())
    contexts = client.client_context(), server.server_context()
    assert all(context.verify_flags & ssl.VERIFY_X509_STRICT for context in contexts)
    with shaken(*contexts, WEB) as (near, far):
        assert near.version() == "TLSv1.3"
        assert str(identity_of(near.getpeercert(), DOMAIN)) == "web.node7"
        assert str(identity_of(far.getpeercert(), DOMAIN)) == "node8"
        assert not near.session_reused


def test_nothing_stands_before_the_servers_first_byte() -> None:
    server, client = lab().service(node7(), "web"), lab().agent(node8())
    with shaken(client.client_context(), server.server_context(), WEB) as (near, far):
        raw = socket.socket(fileno=os.dup(near.fileno()))
        with raw:
            raw.setblocking(False)
            with pytest.raises(BlockingIOError):
                raw.recv(1)  # no session ticket
        far.sendall(b"\0")
        assert near.recv(1) == b"\0"


def test_a_user_is_known_by_mail() -> None:
    key = new_key()
    for user in ("alice", "alice.b", "u" * 63):
        leaf = issue_user(node7().key, node7().cert, user, key.public_key(), lab().now, DAY)
        client = Credentials(lab().root, DOMAIN, key, [leaf, node7().cert])
        server = lab().service(node8(), "web")
        contexts = client.client_context(), server.server_context()
        with shaken(*contexts, f"web.node8.{DOMAIN}") as (_, far):
            assert str(identity_of(far.getpeercert(), DOMAIN)) == f"{user}@node7"


def test_the_authority_shows_a_leaf_of_the_root() -> None:
    key, pool = new_key(), lab()
    leaf = issue_authority(pool.key, pool.root, DOMAIN, key.public_key(), pool.now, DAY)
    server = Credentials(pool.root, DOMAIN, key, [leaf])
    client = lab().agent(node8())
    contexts = client.client_context(), server.server_context(require_client=False)
    with shaken(*contexts, f"authority.{DOMAIN}") as (near, _):
        assert str(identity_of(near.getpeercert(), DOMAIN)) == "authority"


def test_a_name_that_was_not_asked_for_is_refused() -> None:
    server, client = lab().service(node7(), "web"), lab().agent(node8())
    with (
        pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"),
        shaken(client.client_context(), server.server_context(), f"db.node7.{DOMAIN}"),
    ):
        pass


def test_any_name_will_do_for_whom_asks_so() -> None:
    server, client = lab().service(node7(), "broker"), lab().agent(node8())
    contexts = client.client_context(check_hostname=False), server.server_context()
    with shaken(*contexts, None) as (near, _):
        assert str(identity_of(near.getpeercert(), DOMAIN)) == "broker.node7"
    assert client.client_context().check_hostname


FORGED: list[tuple[str, list[x509.GeneralName]]] = [
    ("another node's service", [x509.DNSName(f"web.node8.{DOMAIN}")]),
    ("another node", [x509.DNSName(f"node8.{DOMAIN}")]),
    ("the authority", [x509.DNSName(f"authority.{DOMAIN}")]),
    ("the outside world", [x509.DNSName("www.example.org")]),
    ("another node's user", [x509.RFC822Name(f"alice@node8.{DOMAIN}")]),
    ("its own and another's", [x509.DNSName(WEB), x509.DNSName(f"web.node8.{DOMAIN}")]),
    ("an IPv4 address", [x509.IPAddress(ip_address("10.0.0.7"))]),
    ("an IPv6 address", [x509.IPAddress(ip_address("2001:db8::7"))]),
]


@pytest.mark.parametrize("name, names", FORGED, ids=[case[0] for case in FORGED])
def test_openssl_refuses_what_a_node_may_not_certify(
    name: str, names: list[x509.GeneralName]
) -> None:
    server, client = lab().service(node8(), "web"), forged(node7(), names)
    contexts = client.client_context(check_hostname=False), server.server_context()
    with (
        pytest.raises(ssl.SSLCertVerificationError, match=r"subtree violation"),
        shaken(*contexts, None) as (near, _),
    ):
        near.recv(1)


def test_a_leaf_issues_nothing() -> None:
    web = lab().service(node7(), "web")
    assert isinstance(web.chain[0], x509.Certificate)
    key = new_key()
    names = certificates._leaf(x509.DNSName(f"x.web.node7.{DOMAIN}"))
    leaf = certificates._issue("x", key.public_key(), web.key, web.chain[0], names, lab().now, DAY)
    client = lab().agent(node8())
    client.key, client.chain = key, (leaf, *web.chain)
    contexts = client.client_context(), lab().service(node8(), "web").server_context()
    with (
        pytest.raises(ssl.SSLCertVerificationError, match=r"invalid CA|path length"),
        shaken(*contexts, f"web.node8.{DOMAIN}"),
    ):
        pass


def test_strangers_are_refused() -> None:
    other = Pool(lab().now)  # another pool of the same name
    stranger = other.agent(other.node("node8"))
    server = lab().service(node7(), "web")
    with (
        pytest.raises(ssl.SSLCertVerificationError),
        shaken(stranger.client_context(), server.server_context(), WEB),
    ):
        pass
    false_server = other.service(other.node("node7"), "web").server_context()
    with (
        pytest.raises(ssl.SSLCertVerificationError),
        shaken(lab().agent(node8()).client_context(), false_server, WEB),
    ):
        pass


def test_a_client_without_a_certificate_is_refused() -> None:
    server = lab().service(node7(), "web")
    bare = ssl.create_default_context(cadata=checks.to_der(lab().root))
    with (
        pytest.raises(ssl.SSLError, match="PEER_DID_NOT_RETURN_A_CERTIFICATE"),
        shaken(bare, server.server_context(), WEB),
    ):
        pass


def test_ordinary_tls_with_the_pools_root_works() -> None:
    bare = ssl.create_default_context(cadata=checks.to_der(lab().root))
    bare.verify_flags |= ssl.VERIFY_X509_STRICT
    server = lab().service(node7(), "web").server_context(require_client=False)
    with shaken(bare, server, WEB) as (near, _):
        assert near.version() == "TLSv1.3"


def test_expired_certificates_are_refused() -> None:
    past = Pool(lab().now - 2 * DAY)
    node = past.node("node7")
    server = past.service(node, "web")
    contexts = past.agent(node, lifetime=7 * DAY).client_context(), server.server_context()
    with (
        pytest.raises(ssl.SSLCertVerificationError, match="expired"),
        shaken(*contexts, WEB),
    ):
        pass


def serial(peer: ssl.SSLSocket) -> int:
    certificate = peer.getpeercert()
    assert certificate is not None
    return int(str(certificate["serialNumber"]), 16)


def test_new_credentials_take_effect_in_the_same_contexts() -> None:
    server, client = lab().service(node7(), "web"), lab().agent(node8())
    theirs, ours = server.server_context(), client.client_context()
    with shaken(ours, theirs, WEB) as (near, far):
        before = serial(near), serial(far)
        next_server, next_client = lab().service(node7(), "web"), lab().agent(node8())
        server.replace(next_server.key, next_server.chain)
        client.replace(next_client.key, next_client.chain)
        near.sendall(b"still here")  # what is established stays so
        assert far.recv(10) == b"still here"
    assert server.server_context() is theirs
    assert client.client_context() is ours
    with shaken(ours, theirs, WEB) as (near, far):
        after = serial(near), serial(far)
    assert after == (next_server.chain[0].serial_number, next_client.chain[0].serial_number)
    assert not set(after) & set(before)


def test_credentials_of_somebody_else_replace_nothing() -> None:
    web, database = lab().service(node7(), "web"), lab().service(node7(), "db")
    with pytest.raises(TrustError, match=r"not for web\.node7"):
        web.replace(database.key, database.chain)
    with pytest.raises(TrustError, match="another key"):
        web.replace(new_key(), web.chain)
    with pytest.raises(TrustError, match="no certificate"):
        web.replace(web.key, [])


def test_renewal_is_due_at_half_life() -> None:
    """Ten seconds of life, told by arithmetic."""
    now = 1_800_000_000.0
    pool = Pool(now)
    web = pool.service(pool.node("node7"), "web", lifetime=10)
    assert web.not_after == now + 10
    assert web.renew_at(now) == now + 5
    assert web.renew_at(now + 7) == now + 8  # overdue: soon, but not in a busy loop


def test_credentials_end_with_the_first_of_their_chain() -> None:
    now = 1_800_000_000.0
    pool = Pool(now)
    node, key = pool.node("node7", lifetime=60), new_key()
    leaf = issue_service(node.key, node.cert, WEB, key.public_key(), now, DAY)
    assert Credentials(pool.root, DOMAIN, key, [leaf, node.cert]).not_after == now + 60


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="this kernel has none")
def test_the_key_touches_no_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    before = set(os.listdir("/proc/self/fd"))
    lab().service(node7(), "web").server_context()
    assert set(os.listdir("/proc/self/fd")) == before  # nor does a descriptor stay


def test_where_there_are_no_files_in_memory_a_private_one_serves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "memfd_create", raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    server, client = lab().service(node7(), "web"), lab().agent(node8())
    with shaken(client.client_context(), server.server_context(), WEB):
        assert list(tmp_path.iterdir()) == []


def test_a_node_leaf_is_not_for_another_nodes_key() -> None:
    leaf = issue_node_leaf(node7().key, node7().cert, new_key().public_key(), lab().now, DAY)
    with pytest.raises(TrustError, match="another key"):
        Credentials(lab().root, DOMAIN, node7().key, [leaf, node7().cert])
