"""Who may be certified as a node: by token, by the certificate it has, or as the first of all.

Decides and signs, in one transaction on the ledger each; speaks with nobody (see authority.py).
All of it may be called from any thread.
"""

from __future__ import annotations

import hmac
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from glasnost.core.wire.messages import Directory, Enrol, Enrolled, RenewNode
from glasnost.errors import Refused, TrustError
from glasnost.roles import authority_state
from glasnost.store.authority import Holder, Token, Transaction
from glasnost.trust import checks
from glasnost.trust.certificates import check_node, issue_node, read_csr
from glasnost.trust.keys import p256, public_bytes

log = logging.getLogger("glasnost.authority")

#: A node's certificate lasts so long, seconds: it renews after half of it, which leaves the
#: authority half a week to be repaired in, and a revoked node is out after a week at the latest.
NODE_LIFETIME: Final = 7 * 86_400.0
#: An expired certificate renews for so long, seconds: a machine may be switched off for a month.
RENEWAL_GRACE: Final = 30 * 86_400.0


class Registrar:
    """Certifies the nodes of the pool whose state is in ``state_dir``.

    ``directories`` says what nodes are told about where names are kept.
    """

    def __init__(
        self,
        state_dir: Path,
        directories: Callable[[], tuple[Directory, ...]],
        node_lifetime: float = NODE_LIFETIME,
        clock: Callable[[], float] = time.time,
    ) -> None:
        state = authority_state.load(state_dir)
        self.root, self.domain = state.root, state.domain
        self._root_key, self._ledger = state.key, state.ledger
        self._directories, self._node_lifetime, self._clock = directories, node_lifetime, clock

    def status(self) -> dict[str, Any]:
        with self._ledger.transaction() as ledger:
            nodes, tokens = ledger.nodes(), ledger.open_tokens(self._clock())
        return {
            "domain": self.domain,
            "fingerprint": checks.fingerprint(self.root).hex(),
            "nodes": nodes,
            "open_tokens": tokens,
        }

    def enrol(self, question: Enrol) -> Enrolled:
        """Let in the node that a token names. Raises `Refused` or `TrustError`; a token that was
        refused for another reason than itself may be used again."""
        now = self._clock()
        csr_key = public_bytes(read_csr(question.csr))
        with self._ledger.transaction() as ledger:
            token = _check_token(ledger.token(question.token), question.secret, now)
            holder = Holder(csr_key, token.networks)
            enrolled = self._certify(ledger, token.node, holder, token.replaces, question.csr)
            ledger.use_token(token.id, now)
        log.info("enrolled %s", token.node)
        return enrolled

    def enrol_local(
        self, node: str, csr: bytes, networks: tuple[str, ...] = (), *, replace: bool = False
    ) -> Enrolled:
        """Let in a node without a token: for who owns this process. Raises as `enrol` does."""
        holder = Holder(public_bytes(read_csr(csr)), networks)
        with self._ledger.transaction() as ledger:
            return self._certify(ledger, node, holder, replace, csr)

    def renew(self, question: RenewNode) -> Enrolled:
        """A node's next certificate. Raises `Refused` or `TrustError`."""
        current = checks.read_certificate(question.certificate)
        node = check_node(self.root, current, self._clock(), RENEWAL_GRACE)
        key = public_bytes(read_csr(question.csr))
        if key != public_bytes(p256(current.public_key())):
            raise TrustError("the request is for another key than the certificate's")
        with self._ledger.transaction() as ledger:
            holder = ledger.holder(node)
            if holder is not None and holder.public_key != key:
                raise Refused("replaced", f"{node} has another key now: another machine joined")
            # None: certified by this root, so it was us, before the ledger was lost.
            holder = holder or Holder(key, ())
            enrolled = self._certify(ledger, node, holder, False, question.csr)
        log.info("renewed %s", node)
        return enrolled

    def revoke(self, node: str) -> None:
        """Renew no certificate of this node again; what it has ends by itself, within
        ``node_lifetime``. Raises `Refused` when no such node has joined."""
        with self._ledger.transaction() as ledger:
            if ledger.holder(node) is None:
                raise Refused("unknown-node", f"no node {node!r} has joined this pool")
            ledger.revoke(node, self._clock())
        log.warning("revoked %s", node)

    def _certify(
        self, ledger: Transaction, node: str, holder: Holder, replaces: bool, csr: bytes
    ) -> Enrolled:
        """A certificate for who holds the name from now on."""
        before, key = ledger.holder(node), read_csr(csr)
        if ledger.is_revoked(holder.public_key):
            raise Refused("revoked", f"the key of {node} has been revoked")
        if before is not None and before.public_key != holder.public_key and not replaces:
            raise Refused("name-taken", f"another machine or key has joined as {node} already")
        certificate = issue_node(
            self._root_key, self.root, node, self.domain, key, self._clock(), self._node_lifetime
        )
        ledger.hold(node, holder)
        ledger.note_certificate(
            certificate.serial_number,
            node,
            holder.public_key,
            checks.issued(certificate),
            checks.not_after(certificate),
        )
        return Enrolled(
            certificate=checks.to_der(certificate),
            directories=self._directories(),
            networks=holder.networks,
            root=checks.to_der(self.root),
        )


def _check_token(token: Token | None, secret: bytes, now: float) -> Token:
    """The token, if this is its secret and it can be used now. Raises `Refused`."""
    given = authority_state.hashed(secret)
    # An unknown token takes the same time, and gets the same answer, as a wrong secret.
    right = hmac.compare_digest(given, token.secret_hash if token is not None else bytes(32))
    if token is None or not right:
        raise Refused("wrong-token", "this authority has made no such join token")
    if token.used is not None:
        raise Refused("used-token", "this join token has been used: it lets in one node, once")
    if now > token.not_after:
        raise Refused("expired-token", "this join token has expired: ask for a new one")
    return token
