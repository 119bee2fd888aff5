"""Certificate chains that do not hold, each for a reason of its own."""

from __future__ import annotations

import time
from collections.abc import Callable

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from glasnost.trust import certificates
from glasnost.trust.credentials import Credentials
from glasnost.trust.keys import new_key
from tests.trust.pool import DAY, Node, Pool

Key = ec.EllipticCurvePrivateKey


def _expired(pool: Pool, node: Node) -> Credentials:
    past = Pool(time.time() - 30 * DAY)
    past.key, past.root = pool.key, pool.root  # the same authority, a month ago
    old = past.node("node7")
    return past.agent(old)


def _elsewhere(pool: Pool, node: Node) -> Credentials:
    stranger = Pool(time.time())
    return stranger.agent(stranger.node("node7"))


def _long(pool: Pool, node: Node) -> Credentials:
    """A leaf that certifies another, and so on: ten of them."""
    key, chain = node.key, [node.cert]
    for _ in range(10):
        own = new_key()
        chain.insert(0, _leaf(key, chain[0], f"node7.{pool.domain}", own))
        key = own
    return Credentials(pool.root, pool.domain, key, chain)


def _deeper(pool: Pool, node: Node) -> Credentials:
    """`a.b.node7`: X.509 lets a node certify it, and it is none of ours."""
    return _named(pool, node, f"a.b.node7.{pool.domain}")


def _borrowed(pool: Pool, node: Node) -> Credentials:
    """node7's own key certifies a service of node8."""
    return _named(pool, node, f"web.node8.{pool.domain}")


def _named(pool: Pool, node: Node, full: str) -> Credentials:
    shown, key = pool.service(node, "web"), new_key()
    # Credentials would not take a name that is none of ours to begin with.
    shown.key, shown.chain = key, (_leaf(node.key, node.cert, full, key), node.cert)
    return shown


def _leaf(key: Key, issuer: x509.Certificate, full: str, own: Key) -> x509.Certificate:
    """What we ourselves would refuse to certify."""
    usage = certificates._leaf(x509.DNSName(full))
    public = own.public_key()
    return certificates._issue("leaf", public, key, issuer, usage, time.time(), 3600)


#: Of this pool, what such a node shows.
CHAINS: dict[str, Callable[[Pool, Node], Credentials]] = {
    "expired": _expired,
    "another-pools": _elsewhere,
    "ten-long": _long,
    "too-deep-a-name": _deeper,
    "another-nodes-name": _borrowed,
}
