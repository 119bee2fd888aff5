"""Reading certificates and requests, some of them a stranger's: only `TrustError` comes out.

`cryptography` raises a dozen unrelated exceptions for bytes that are not what they should be, and
others in other versions. So each block here that catches `Exception` does nothing but ask it.
"""

from __future__ import annotations

from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from glasnost.errors import TrustError
from glasnost.trust.identity import is_domain, is_node
from glasnost.trust.keys import p256

#: Certificates begin this many seconds before they are issued: clocks of a pool may differ by
#: some minutes where nobody runs NTP.
SKEW: Final = 300


def to_der(thing: x509.Certificate | x509.CertificateSigningRequest) -> bytes:
    """The bytes that messages carry."""
    return thing.public_bytes(serialization.Encoding.DER)


def read_certificate(der: bytes) -> x509.Certificate:
    """A certificate; nothing about it is checked yet. Raises `TrustError`."""
    try:
        return x509.load_der_x509_certificate(der)
    except Exception:
        raise TrustError("these bytes are no certificate") from None


def read_csr(der: bytes) -> ec.EllipticCurvePublicKey:
    """The public key of a request whose sender has the private one. Raises `TrustError`."""
    try:
        request = x509.load_der_x509_csr(der)
        valid, key = request.is_signature_valid, request.public_key()
    except Exception:
        raise TrustError("these bytes are no certificate request") from None
    if not valid:
        raise TrustError("the certificate request is not signed by its own key")
    return p256(key)


def fingerprint(root: x509.Certificate) -> bytes:
    """What a join token knows its pool's root by: SHA-256 of its DER."""
    return root.fingerprint(hashes.SHA256())


def issued(certificate: x509.Certificate) -> float:
    """When it was made, in seconds since 1970 (it is valid from `SKEW` before)."""
    return certificate.not_valid_before_utc.timestamp() + SKEW


def not_after(certificate: x509.Certificate) -> float:
    """When it ends, in seconds since 1970."""
    return certificate.not_valid_after_utc.timestamp()


def subtree(certificate: x509.Certificate) -> str:
    """The DNS name at and below which this root or node certifies: of a root the pool's domain,
    of a node its full name. Raises `TrustError` for a leaf or a stranger's authority."""
    try:
        extensions = certificate.extensions
        basic = extensions.get_extension_for_class(x509.BasicConstraints).value
        names = extensions.get_extension_for_class(x509.NameConstraints).value
    except Exception:
        raise TrustError("this is not a certificate of a pool or a node") from None
    dns = [n.value for n in names.permitted_subtrees or () if isinstance(n, x509.DNSName)]
    if not basic.ca or len(dns) != 1 or not is_domain(dns[0]):
        raise TrustError("this is not a certificate of a pool or a node")
    return dns[0]


def names(certificate: x509.Certificate) -> tuple[tuple[str, str], ...]:
    """The subject alternative names of a certificate of our own, as `ssl` writes a peer's."""
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except Exception:
        return ()
    kinds = {x509.DNSName: "DNS", x509.RFC822Name: "email"}
    return tuple((kinds.get(type(name), "other"), str(name.value)) for name in extension.value)


def domain_of(root: x509.Certificate) -> str:
    """The domain of the pool with this root."""
    return subtree(root)


def check_issued(root: x509.Certificate, certificate: x509.Certificate) -> None:
    """Raises `TrustError` unless the root's own key signed it."""
    try:
        certificate.verify_directly_issued_by(root)
    except Exception:
        raise TrustError("the certificate was not issued by this pool's authority") from None


def check_node(
    root: x509.Certificate, cert: x509.Certificate, now: float, grace: float = 0.0
) -> str:
    """The name of the node that this certificate makes somebody; `TrustError` if it makes nobody
    a node now. ``grace``: seconds for which an expired one is still good (for its renewal)."""
    check_issued(root, cert)
    node, _, rest = subtree(cert).partition(".")
    if rest != domain_of(root) or not is_node(node):
        raise TrustError("the certificate is not a node's")
    check_time(cert, now, grace)
    return node


def check_time(cert: x509.Certificate, now: float, grace: float = 0.0) -> None:
    """Raises `TrustError` unless the certificate is valid now."""
    if now < issued(cert) - SKEW:
        raise TrustError("the certificate is not yet valid: is a clock wrong?")
    if now > not_after(cert) + grace:
        raise TrustError("the certificate has expired")
