"""Signed records: a node vouches for what its names mean, whoever passes the record on."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from glasnost.core.wire import grease
from glasnost.core.wire.messages import Record, Signed, decode_record, encode_record
from glasnost.errors import TrustError
from glasnost.trust import checks
from glasnost.trust.identity import is_label
from glasnost.trust.keys import p256, sign, verifies

#: Before what is signed, so that a signature made for another purpose is none for a record.
_PURPOSE = b"glasnost record 1\0"
#: How many nodes' certificates a verifier remembers as checked: a pool of some thousand nodes
#: stays in memory (2 kB each), and a flood of others cannot fill it.
_REMEMBERED = 4096


def sign_record(
    record: Record, key: ec.EllipticCurvePrivateKey, node_cert: x509.Certificate
) -> Signed:
    """The record as its owner hands it out; ``key`` is the node's."""
    payload = encode_record(record)
    if record.sequence % grease.EVERY == 0:  # a new number for each record: it goes by count, too
        payload = grease.with_field(payload, record.sequence // grease.EVERY % grease.EVERY)
    return Signed(payload, sign(key, _PURPOSE + payload), checks.to_der(node_cert))


@dataclass(frozen=True)
class _Owner:
    """A node whose certificate the root did sign; the times are still to be checked."""

    host: str
    key: ec.EllipticCurvePublicKey
    certificate: x509.Certificate


class Verifier:
    """Checks records of one pool, and remembers the certificates it has checked."""

    def __init__(self, root: x509.Certificate, domain: str) -> None:
        self._root = root
        self._domain = domain
        self._owners: dict[bytes, _Owner] = {}

    def verify(self, signed: Signed, now: float) -> Record:
        """The record, if a node of this pool signed it for a name of its own, and it has not
        expired. Raises `TrustError`, or `ProtocolError` for bytes that are no record. The address
        in it is not looked at."""
        owner = self._owner(signed.certificate, now)
        if not verifies(owner.key, signed.signature, _PURPOSE + signed.payload):
            raise TrustError(f"the record is not signed by {owner.host}")
        record = decode_record(signed.payload)
        service, _, host = record.name.partition(".")
        if host != owner.host or not is_label(service):
            raise TrustError(f"{owner.host} may not speak for {record.name[:260]!r}")
        if now > record.not_after:
            raise TrustError(f"the record of {record.name} has expired")
        return record

    def _owner(self, der: bytes, now: float) -> _Owner:
        owner = self._owners.get(der)
        if owner is not None:
            checks.check_time(owner.certificate, now)
            return owner
        certificate = checks.read_certificate(der)
        node = checks.check_node(self._root, certificate, now)
        owner = _Owner(f"{node}.{self._domain}", p256(certificate.public_key()), certificate)
        while len(self._owners) >= _REMEMBERED:
            del self._owners[next(iter(self._owners))]
        self._owners[der] = owner
        return owner
