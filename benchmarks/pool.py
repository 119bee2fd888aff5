"""A pool in memory, whose processes make their own nodes: what is passed to them are its keys."""

from __future__ import annotations

import time
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from glasnost.trust.certificates import issue_node, issue_node_leaf, issue_service, make_root
from glasnost.trust.credentials import Credentials
from glasnost.trust.keys import key_from_pem, key_to_pem, new_key

_DAY = 86_400.0


@dataclass(frozen=True)
class Pool:
    """A root, as bytes that a process can be given."""

    key: bytes
    root: bytes
    domain: str = "bench.glasnost.internal"

    @classmethod
    def new(cls) -> Pool:
        key = new_key()
        root = make_root("bench", key, time.time(), 10 * _DAY)
        return cls(key_to_pem(key), root.public_bytes(Encoding.PEM))

    def node(self, name: str) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
        """A node's key and certificate: another each time, and all are its own."""
        root, key = x509.load_pem_x509_certificate(self.root), new_key()
        issuer, now = key_from_pem(self.key), time.time()
        return key, issue_node(issuer, root, name, self.domain, key.public_key(), now, _DAY)

    def agent(self, node: str) -> Credentials:
        """Those of a node's agent; the node is made for them."""
        return self._credentials(node, None)

    def service(self, name: str, node: str) -> Credentials:
        """Those of a service on a node, which is made for them."""
        return self._credentials(node, name)

    def _credentials(self, node: str, service: str | None) -> Credentials:
        root, now = x509.load_pem_x509_certificate(self.root), time.time()
        (node_key, above), key = self.node(node), new_key()
        if service is None:
            leaf = issue_node_leaf(node_key, above, key.public_key(), now, _DAY)
        else:
            full = f"{service}.{node}.{self.domain}"
            leaf = issue_service(node_key, above, full, key.public_key(), now, _DAY)
        return Credentials(root, self.domain, key, [leaf, above])
