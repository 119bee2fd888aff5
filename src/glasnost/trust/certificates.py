"""Certificates: root → node → leaf, and what each of them may do.

========  =====================================================================================
root      the pool's: certifies nodes and the authority's own leaf, and nothing outside its domain
node      certifies its own services and users only (name constraints, path length 0); it has no
          name of its own to be shown in TLS, and also signs the node's records
leaf      one name: a service, the node itself (its agent), a user, or the authority
========  =====================================================================================

AKI, SKI and key usage are everywhere: Python 3.13 refuses chains without them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from ipaddress import ip_network

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from glasnost.core.address.names import SUFFIX
from glasnost.errors import TrustError
from glasnost.trust import checks
from glasnost.trust.checks import check_node, read_csr
from glasnost.trust.identity import AUTHORITY, is_domain, is_label, is_node, is_user

__all__ = [
    "check_node",
    "issue_authority",
    "issue_node",
    "issue_node_leaf",
    "issue_service",
    "issue_user",
    "make_csr",
    "make_root",
    "read_csr",
]

_ALL_IP_ADDRESSES = [x509.IPAddress(ip_network(net)) for net in ("0.0.0.0/0", "::/0")]

_PrivateKey = ec.EllipticCurvePrivateKey
_PublicKey = ec.EllipticCurvePublicKey
_Extension = tuple[x509.ExtensionType, bool]  # and whether it is critical


def make_root(pool: str, key: _PrivateKey, now: float, lifetime: float) -> x509.Certificate:
    """The certificate of a new pool; its domain is ``POOL.glasnost.internal``."""
    domain = f"{pool}.{SUFFIX}"
    if not is_label(pool) or not is_domain(domain):
        raise TrustError(f"{pool!r} cannot be a pool's name: one label, lower case, no dots")
    extensions = [*_ca(path_length=1), _constraints(dns=domain, mail=f".{domain}")]
    return _issue(pool, key.public_key(), key, None, extensions, now, lifetime)


def issue_node(
    root_key: _PrivateKey,
    root: x509.Certificate,
    node: str,
    domain: str,
    public_key: _PublicKey,
    now: float,
    lifetime: float,
) -> x509.Certificate:
    """A node's own certificate authority, for names at and below ``NODE.DOMAIN`` alone."""
    if not is_node(node):
        raise TrustError(f"{node!r} cannot be a node's name: one label, lower case, no dots")
    host = f"{node}.{domain}"
    extensions = [*_ca(path_length=0), _constraints(dns=host, mail=host)]
    return _issue(node, public_key, root_key, root, extensions, now, lifetime)


def issue_service(
    node_key: _PrivateKey,
    node_cert: x509.Certificate,
    full_name: str,
    public_key: _PublicKey,
    now: float,
    lifetime: float,
) -> x509.Certificate:
    """A leaf for one service of this node, exactly one label below the node's name."""
    host = checks.subtree(node_cert)
    service, _, rest = full_name.partition(".")
    if rest != host or not is_label(service):
        raise TrustError(f"{full_name!r} is not one label below {host}")
    names = x509.DNSName(full_name)
    return _issue(service, public_key, node_key, node_cert, _leaf(names), now, lifetime)


def issue_node_leaf(
    node_key: _PrivateKey,
    node_cert: x509.Certificate,
    public_key: _PublicKey,
    now: float,
    lifetime: float,
) -> x509.Certificate:
    """A leaf for the node's own name: what its agent shows on control connections."""
    host = checks.subtree(node_cert)
    names = x509.DNSName(host)
    node = host.partition(".")[0]
    return _issue(node, public_key, node_key, node_cert, _leaf(names), now, lifetime)


def issue_user(
    node_key: _PrivateKey,
    node_cert: x509.Certificate,
    user: str,
    public_key: _PublicKey,
    now: float,
    lifetime: float,
) -> x509.Certificate:
    """A leaf for a local user of this node, ``user@NODE.DOMAIN``."""
    if not is_user(user):
        raise TrustError(f"{user!r} cannot be a user's name in a certificate")
    mail = f"{user}@{checks.subtree(node_cert)}"
    # OpenSSL holds a common name that reads like a DNS name against the name constraints. With
    # the @ that follows the user (at most 63 characters, of 64) it never does.
    names = x509.RFC822Name(mail)
    return _issue(mail[:64], public_key, node_key, node_cert, _leaf(names), now, lifetime)


def issue_authority(
    root_key: _PrivateKey,
    root: x509.Certificate,
    domain: str,
    public_key: _PublicKey,
    now: float,
    lifetime: float,
) -> x509.Certificate:
    """The authority's own leaf, ``authority.DOMAIN``, by the root itself."""
    names = x509.DNSName(f"{AUTHORITY}.{domain}")
    return _issue(AUTHORITY, public_key, root_key, root, _leaf(names), now, lifetime)


def make_csr(key: _PrivateKey) -> bytes:
    """A request (PKCS#10, DER) that proves one has the key. It names nobody: names are given by
    whoever signs."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    return checks.to_der(builder.sign(key, hashes.SHA256()))


def _issue(
    name: str,
    public_key: _PublicKey,
    issuer_key: _PrivateKey,
    issuer: x509.Certificate | None,
    extensions: Sequence[_Extension],
    now: float,
    lifetime: float,
) -> x509.Certificate:
    """One certificate; it never outlives its issuer (None: it is its own)."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    ends = int(now + lifetime)
    if issuer is not None:
        ends = min(ends, int(checks.not_after(issuer)))
        if ends <= now:
            raise TrustError("the issuing certificate has expired")
    own_id = x509.SubjectKeyIdentifier.from_public_key(public_key)
    issuer_id = x509.SubjectKeyIdentifier.from_public_key(issuer_key.public_key())
    issuer_link = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer_id)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer is not None else subject)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.fromtimestamp(int(now) - checks.SKEW, UTC))
        .not_valid_after(datetime.fromtimestamp(ends, UTC))
    )
    for extension, critical in [*extensions, (own_id, False), (issuer_link, False)]:
        builder = builder.add_extension(extension, critical)
    return builder.sign(issuer_key, hashes.SHA256())


def _ca(path_length: int) -> list[_Extension]:
    # Digital signature: a node signs its records with the same key.
    usage = _usage(digital_signature=True, key_cert_sign=True)
    return [(x509.BasicConstraints(ca=True, path_length=path_length), True), (usage, True)]


def _leaf(name: x509.GeneralName) -> list[_Extension]:
    both = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    return [
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (_usage(digital_signature=True), True),
        (x509.ExtendedKeyUsage(both), False),
        (x509.SubjectAlternativeName([name]), False),
    ]


def _constraints(dns: str, mail: str) -> _Extension:
    """Names at and below ``dns``, mail addresses at ``mail``, and no IP addresses at all: a kind
    of name that is not mentioned in constraints would be allowed."""
    permitted = [x509.DNSName(dns), x509.RFC822Name(mail)]
    return x509.NameConstraints(permitted, _ALL_IP_ADDRESSES), True


def _usage(*, digital_signature: bool = False, key_cert_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=key_cert_sign,
        crl_sign=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
