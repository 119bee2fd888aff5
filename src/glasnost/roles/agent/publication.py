"""What a node says of its services: one signed record for each, made anew when it changes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
from cryptography.hazmat.primitives import hashes

from glasnost.core.address import Address, Route, Stage
from glasnost.core.address.limits import MAX_ROUTES
from glasnost.core.wire.messages import Record, Signed
from glasnost.roles.agent.services import Service
from glasnost.roles.home import NodeIdentity

#: How long a record may be renewed without being signed again, seconds. It bounds for how long a
#: directory could go on saying what is true no more.
RECORD_LIFETIME = 24 * 3600.0


class Records:
    """The signed records of one node's services."""

    def __init__(self, identity: NodeIdentity) -> None:
        self._identity = identity
        self._signed: dict[str, tuple[Record, bytes, Signed]] = {}
        self._sequence = 0

    def make(
        self, services: Iterable[Service], doors: Sequence[Route], reach: tuple[str, ...]
    ) -> dict[str, Signed]:
        """By full name, the record of each service that can be met anywhere; what has not changed
        keeps its signature until half of its time is over."""
        made = {}
        for service in services:
            if doors:
                record = self._record(service, doors, reach)
                made[record.name] = self._sign(record)
        self._signed = {name: kept for name, kept in self._signed.items() if name in made}
        return made

    def get(self, name: str) -> tuple[Record, Signed] | None:
        """The record of one of our own services, by full name."""
        kept = self._signed.get(name)
        return None if kept is None else (kept[0], kept[2])

    def _record(self, service: Service, doors: Sequence[Route], reach: tuple[str, ...]) -> Record:
        offer = service.offer
        stage = Stage.service(offer.name)
        address = Address(tuple(door.then(stage) for door in doors[:MAX_ROUTES]))
        return Record(
            name=self._identity.full(offer.name),
            address=str(address),
            reach=reach,
            labels=offer.labels,
            protection=offer.protection,
            relay=offer.relay,
        )

    def _sign(self, wanted: Record) -> Signed:
        now = self._identity.clock()
        certificate = self._identity.certificate.fingerprint(hashes.SHA256())
        kept = self._signed.get(wanted.name)
        if kept is not None:
            record, signer, signed = kept
            same = msgspec.structs.replace(record, sequence=0, not_after=0) == wanted
            if same and signer == certificate and record.not_after - now > RECORD_LIFETIME / 2:
                return signed
        self._sequence = max(self._sequence + 1, int(now * 1_000_000))
        record = msgspec.structs.replace(
            wanted, sequence=self._sequence, not_after=int(now + RECORD_LIFETIME)
        )
        signed = self._identity.sign(record)
        self._signed[wanted.name] = (record, certificate, signed)
        return signed
