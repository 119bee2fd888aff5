"""A pool in memory, with two nodes, for the tests of trust."""

from __future__ import annotations

import functools
import time
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from glasnost.trust.certificates import issue_node, issue_node_leaf, issue_service, make_root
from glasnost.trust.credentials import Credentials
from glasnost.trust.keys import new_key

DOMAIN = "lab.glasnost.internal"
DAY = 86_400.0


@dataclass(frozen=True)
class Node:
    """A node's name, key and certificate."""

    name: str
    key: ec.EllipticCurvePrivateKey
    cert: x509.Certificate


class Pool:
    """A root and what it certifies; ``now`` is when it was made."""

    def __init__(self, now: float, pool: str = "lab") -> None:
        self.now = now
        self.domain = f"{pool}.glasnost.internal"
        self.key = new_key()
        self.root = make_root(pool, self.key, now, 3650 * DAY)

    def node(self, name: str, lifetime: float = 7 * DAY) -> Node:
        key = new_key()
        cert = issue_node(
            self.key, self.root, name, self.domain, key.public_key(), self.now, lifetime
        )
        return Node(name, key, cert)

    def service(self, node: Node, name: str, lifetime: float = DAY) -> Credentials:
        key = new_key()
        full = f"{name}.{node.name}.{self.domain}"
        leaf = issue_service(node.key, node.cert, full, key.public_key(), self.now, lifetime)
        return Credentials(self.root, self.domain, key, [leaf, node.cert])

    def agent(self, node: Node, lifetime: float = DAY) -> Credentials:
        key = new_key()
        leaf = issue_node_leaf(node.key, node.cert, key.public_key(), self.now, lifetime)
        return Credentials(self.root, self.domain, key, [leaf, node.cert])


@functools.cache
def lab() -> Pool:
    """The pool that most tests share, made now (OpenSSL looks at the real clock)."""
    return Pool(time.time())


@functools.cache
def node7() -> Node:
    return lab().node("node7")


@functools.cache
def node8() -> Node:
    return lab().node("node8")
