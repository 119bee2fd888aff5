"""Records for the scenarios of a directory: signed by nobody, since the core does not look."""

from __future__ import annotations

from glasnost.core.protocols.record_table import Verified
from glasnost.core.wire.messages import Record, Signed, encode_record

DOMAIN = "lab.glasnost.internal"
FAR = 1_000_000


def name_of(short: str) -> str:
    return f"{short}.{DOMAIN}"


def record(
    short: str = "web.n1",
    sequence: int = 1,
    *,
    not_after: int = FAR,
    address: str = "ip4:192.0.2.1:9618",
    proof: bytes = b"proof",
    labels: dict[str, str] | None = None,
    reach: tuple[str, ...] | None = None,
) -> Verified:
    kept = Record(
        name_of(short),
        address,
        reach,
        labels=labels or {},
        sequence=sequence,
        not_after=not_after,
    )
    return Verified(kept, Signed(encode_record(kept), proof, b"certificate"))
