"""Certificates: who may issue what to whom, for how long. `test_credentials` asks OpenSSL too."""

from __future__ import annotations

import contextlib

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from glasnost.errors import TrustError
from glasnost.trust import checks
from glasnost.trust.certificates import (
    check_node,
    issue_authority,
    issue_node,
    issue_node_leaf,
    issue_service,
    issue_user,
    make_csr,
    make_root,
    read_csr,
)
from glasnost.trust.keys import new_key, public_bytes
from tests.trust.pool import DAY, DOMAIN, Pool

NOW = 1_800_000_000.0
POOL = Pool(NOW)
NODE = POOL.node("node7")
KEY = new_key()
PUBLIC = KEY.public_key()


def test_a_root_knows_its_domain() -> None:
    assert checks.domain_of(POOL.root) == DOMAIN


def test_a_node_certificate_names_its_node() -> None:
    assert check_node(POOL.root, NODE.cert, NOW) == "node7"
    read = checks.read_certificate(checks.to_der(NODE.cert))
    assert check_node(POOL.root, read, NOW) == "node7"


CASES = [
    # name                     when                   grace      what it says
    ("from the first second", NOW, 0.0, ""),
    ("a clock that is behind", NOW - 299, 0.0, ""),
    ("far too early", NOW - 301, 0.0, "not yet valid"),
    ("the last second", NOW + 7 * DAY, 0.0, ""),
    ("expired", NOW + 7 * DAY + 1, 0.0, "has expired"),
    ("expired, within grace", NOW + 37 * DAY, 30 * DAY, ""),
    ("expired, past grace", NOW + 37 * DAY + 1, 30 * DAY, "has expired"),
]


@pytest.mark.parametrize("name, when, grace, says", CASES, ids=[case[0] for case in CASES])
def test_a_node_certificate_has_its_time(name: str, when: float, grace: float, says: str) -> None:
    if not says:
        assert check_node(POOL.root, NODE.cert, when, grace) == "node7"
        return
    with pytest.raises(TrustError, match=says):
        check_node(POOL.root, NODE.cert, when, grace)


def test_another_pools_node_is_foreign() -> None:
    other = Pool(NOW)  # even one that calls itself the same
    with pytest.raises(TrustError, match="not issued by this pool"):
        check_node(POOL.root, other.node("node7").cert, NOW)


def test_only_a_nodes_certificate_is_a_nodes() -> None:
    leaf = issue_node_leaf(NODE.key, NODE.cert, PUBLIC, NOW, DAY)
    with pytest.raises(TrustError, match="not issued by this pool"):
        check_node(POOL.root, leaf, NOW)
    authority = issue_authority(POOL.key, POOL.root, DOMAIN, PUBLIC, NOW, DAY)
    with pytest.raises(TrustError, match="not a certificate of a pool or a node"):
        check_node(POOL.root, authority, NOW)
    with pytest.raises(TrustError, match="not a node's"):
        check_node(POOL.root, POOL.root, NOW)


def test_nothing_outlives_its_issuer() -> None:
    short = POOL.node("node9", lifetime=3600)
    leaf = issue_node_leaf(short.key, short.cert, PUBLIC, NOW, DAY)
    assert checks.not_after(leaf) == checks.not_after(short.cert) == NOW + 3600
    with pytest.raises(TrustError, match="issuing certificate has expired"):
        issue_node_leaf(short.key, short.cert, PUBLIC, NOW + 3600, DAY)


@pytest.mark.parametrize("name", ["authority", "", "Node7", "a.b", "-a", "*", "a" * 64, "nöde"])
def test_no_node_is_called(name: str) -> None:
    with pytest.raises(TrustError, match="cannot be a node's name"):
        issue_node(POOL.key, POOL.root, name, DOMAIN, PUBLIC, NOW, DAY)


@pytest.mark.parametrize("name", ["", "Lab", "a.b", "*", "a" * 64])
def test_no_pool_is_called(name: str) -> None:
    with pytest.raises(TrustError, match="cannot be a pool's name"):
        make_root(name, POOL.key, NOW, DAY)


@pytest.mark.parametrize(
    "full",
    [
        "web.node8.lab.glasnost.internal",
        "node7.lab.glasnost.internal",
        "a.b.node7.lab.glasnost.internal",
        "*.node7.lab.glasnost.internal",
        "Web.node7.lab.glasnost.internal",
        "web",
        "",
    ],
)
def test_a_node_certifies_services_one_label_below_itself(full: str) -> None:
    with pytest.raises(TrustError, match="not one label below"):
        issue_service(NODE.key, NODE.cert, full, PUBLIC, NOW, DAY)


@pytest.mark.parametrize("user", ["", "alice@node8", "a b", ".alice", "ali\nce", "a" * 64, "é"])
def test_no_user_is_called(user: str) -> None:
    with pytest.raises(TrustError, match="cannot be a user's name"):
        issue_user(NODE.key, NODE.cert, user, PUBLIC, NOW, DAY)


def test_names_as_long_as_dns_has_them_are_certified() -> None:
    node = POOL.node("n" * 63)
    full = f"{'s' * 63}.{node.name}.{DOMAIN}"
    leaf = issue_service(node.key, node.cert, full, PUBLIC, NOW, DAY)
    assert checks.names(leaf) == (("DNS", full),)
    person = issue_user(node.key, node.cert, "u" * 63, PUBLIC, NOW, DAY)
    assert checks.names(person) == (("email", f"{'u' * 63}@{node.name}.{DOMAIN}"),)


def test_a_request_gives_its_key() -> None:
    assert public_bytes(read_csr(make_csr(KEY))) == public_bytes(PUBLIC)


def test_a_request_must_be_signed_by_its_own_key() -> None:
    csr = bytearray(make_csr(KEY))
    csr[-1] ^= 1
    with pytest.raises(TrustError, match=r"not signed by its own key|no certificate request"):
        read_csr(bytes(csr))


def test_a_request_for_another_kind_of_key_is_refused() -> None:
    other = ec.generate_private_key(ec.SECP384R1())
    with pytest.raises(TrustError, match="P-256"):
        read_csr(make_csr(other))


# A signature's BIT STRING counts the unused bits of its last byte, and nothing covers that count.
# So a changed byte may leave everything as it was; it may never change what is said.


@given(st.binary())
def test_any_bytes_are_untrusted(data: bytes) -> None:
    with pytest.raises(TrustError):
        read_csr(data)
    with pytest.raises(TrustError):
        checks.read_certificate(data)


@given(st.integers(0, 2000), st.integers(1, 255))
def test_no_byte_of_a_request_may_change(at: int, flip: int) -> None:
    damaged = bytearray(make_csr(KEY))
    damaged[at % len(damaged)] ^= flip
    with contextlib.suppress(TrustError):
        assert public_bytes(read_csr(bytes(damaged))) == public_bytes(PUBLIC)


@given(st.integers(0, 2000), st.integers(1, 255))
def test_no_byte_of_a_node_certificate_may_change(at: int, flip: int) -> None:
    damaged = bytearray(checks.to_der(NODE.cert))
    damaged[at % len(damaged)] ^= flip
    with contextlib.suppress(TrustError):
        read = checks.read_certificate(bytes(damaged))
        assert check_node(POOL.root, read, NOW) == "node7"
        assert read.tbs_certificate_bytes == NODE.cert.tbs_certificate_bytes
