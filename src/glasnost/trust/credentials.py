"""What one endpoint shows in TLS, and whom it believes: `ssl.SSLContext`s that renew in place."""

from __future__ import annotations

import os
import ssl
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from glasnost.core.wire import versions
from glasnost.errors import TrustError
from glasnost.trust import checks
from glasnost.trust.identity import Identity, identity_of
from glasnost.trust.keys import key_to_pem, p256, public_bytes

_DER, _PEM = serialization.Encoding.DER, serialization.Encoding.PEM
#: A renewal that cannot lengthen anything (the issuer itself ends) must not become a busy loop.
_BREATH = 1.0


class Credentials:
    """One endpoint's key and certificates (the leaf first, then its node's), in one pool.

    The contexts are the same objects for life, so that servers and clients may keep them;
    `replace` gives them the next certificate, for handshakes that begin afterwards.
    """

    def __init__(
        self,
        root: x509.Certificate,
        domain: str,
        key: ec.EllipticCurvePrivateKey,
        chain: Sequence[x509.Certificate],
    ) -> None:
        self.root = root
        self.domain = domain
        self._contexts: dict[tuple[ssl._SSLMethod, bool, bool], ssl.SSLContext] = {}
        self._set(key, chain)

    def __repr__(self) -> str:
        return f"<Credentials of {self.identity}>"

    @property
    def identity(self) -> Identity:
        """Whom these name."""
        return self._identity

    @property
    def not_after(self) -> float:
        """When they end, in seconds since 1970: with the first certificate of the chain."""
        return min(checks.not_after(certificate) for certificate in self.chain)

    def renew_at(self, now: float) -> float:
        """When to renew: at half-life, or shortly if that has passed; also where the clock was
        set back to before they begin, since then nobody believes them yet."""
        begun = checks.issued(self.chain[0])
        if now < begun - checks.SKEW:
            return now + _BREATH
        return max(begun + (self.not_after - begun) / 2, now + _BREATH)

    def is_due(self, now: float) -> bool:
        """Whether to renew now."""
        return self.renew_at(now) <= now + _BREATH

    def client_context(
        self, *, check_hostname: bool = True, control: bool = False
    ) -> ssl.SSLContext:
        """For connections we open. ``check_hostname=False`` is for a caller that checks whom it met
        by `identity_of`, because any of several would do. ``control``: the version of what is
        spoken is agreed on, too."""
        context = self._context(ssl.PROTOCOL_TLS_CLIENT, check_hostname, control)
        if not check_hostname:
            context.check_hostname = False
        return context

    def server_context(
        self, require_client: bool = True, *, control: bool = False
    ) -> ssl.SSLContext:
        """For connections we accept; ``require_client=False`` lets in who has no certificate.
        ``control`` as in `client_context`."""
        context = self._context(ssl.PROTOCOL_TLS_SERVER, require_client, control)
        context.verify_mode = ssl.CERT_REQUIRED if require_client else ssl.CERT_NONE
        return context

    def replace(self, key: ec.EllipticCurvePrivateKey, chain: Sequence[x509.Certificate]) -> None:
        """Show these from now on. They must name the same identity (`TrustError`)."""
        if _named(chain, self.domain) != self.identity:
            raise TrustError(f"the new certificate is not for {self.identity}")
        self._set(key, chain)

    def _set(self, key: ec.EllipticCurvePrivateKey, chain: Sequence[x509.Certificate]) -> None:
        identity = _named(chain, self.domain)
        if public_bytes(key.public_key()) != public_bytes(p256(chain[0].public_key())):
            raise TrustError("the certificate is for another key")
        if self._contexts:
            with _as_file(key, chain) as path:
                for context in self._contexts.values():
                    context.load_cert_chain(path)
        self.key, self.chain, self._identity = key, tuple(chain), identity

    def _context(self, protocol: ssl._SSLMethod, strict: bool, control: bool) -> ssl.SSLContext:
        """The one context of this kind, made when it is first asked for."""
        context = self._contexts.get((protocol, strict, control))
        if context is None:
            context = base_context(protocol, self.root, control=control)
            with _as_file(self.key, self.chain) as path:
                context.load_cert_chain(path)
            self._contexts[protocol, strict, control] = context
        return context


def base_context(
    protocol: ssl._SSLMethod, root: x509.Certificate, *, control: bool
) -> ssl.SSLContext:
    """TLS as Glasnost speaks it: 1.3 only, believing this root and nobody else, without a
    certificate of one's own (a client that is about to join has none). For ``control``
    connections the handshake agrees on a version, which costs no round trip."""
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    context.hostname_checks_common_name = False
    # No session tickets: a resumed session would outlive the certificate it was opened with,
    # and nothing but the handshake must stand before the server's first byte.
    if protocol == ssl.PROTOCOL_TLS_SERVER:
        context.num_tickets = 0
    if control:
        server = protocol == ssl.PROTOCOL_TLS_SERVER
        context.set_alpn_protocols(versions.RECOGNISED if server else versions.OFFERED)
    context.load_verify_locations(cadata=root.public_bytes(_DER))
    return context


def _named(chain: Sequence[x509.Certificate], domain: str) -> Identity:
    """Whom the first certificate of a chain names. Raises `TrustError`."""
    if not chain:
        raise TrustError("there is no certificate")
    return identity_of({"subjectAltName": checks.names(chain[0])}, domain)


@contextmanager
def _as_file(key: ec.EllipticCurvePrivateKey, chain: Sequence[x509.Certificate]) -> Iterator[str]:
    """A path that `ssl` can read key and chain from; where the kernel has files in memory (Linux),
    the key never touches a disk."""
    pem = key_to_pem(key) + b"".join(certificate.public_bytes(_PEM) for certificate in chain)
    if hasattr(os, "memfd_create"):
        with open(os.memfd_create("glasnost-tls"), "wb") as memory:
            memory.write(pem)
            memory.flush()
            yield f"/proc/self/fd/{memory.fileno()}"
    else:
        with tempfile.NamedTemporaryFile() as file:  # 0600, and removed at once
            file.write(pem)
            file.flush()
            yield file.name
