"""Which records a directory takes, whoever signed them, each limit with its reason.

What a directory only keeps, it does not judge: stages, protections and landings of kinds it does
not know pass, as long as they have the shape.
"""

from __future__ import annotations

from typing import Final

from glasnost.core.address import Address, Landing
from glasnost.core.wire.messages import Record, Signed
from glasnost.errors import AddressError

#: Seconds that a record is kept without a word of its owner. Owners renew every 20 s, so two
#: renewals in a row may be lost; and a host that died is gone from every answer within a minute.
LEASE: Final = 60.0
#: Records of one node: a host with a service per core and user stays far below, and one node
#: cannot fill the directory.
RECORDS_PER_NODE: Final = 1000
#: Records in all: at about 3 kB each, 300 MB of memory.
MAX_RECORDS: Final = 100_000
#: Bytes of a record's payload. An address of 32 usual routes has 2 kB; a page of a listing and a
#: full publish must fit into one frame of 1 MiB (see `MAX_PAGE`).
MAX_PAYLOAD: Final = 8192
#: Bytes of a record's signature and certificate together. A node's certificate has about 700;
#: this leaves room for longer names and other keys.
MAX_PROOF: Final = 2000
#: Labels of one record, and characters of each key and value. They are for choosing (`role`,
#: `arch`, `pool`), not for data; a listing is scanned by them.
MAX_LABELS: Final = 16
MAX_LABEL: Final = 64
#: Landings that a record says it can reach: as many as an address has routes at most, twice.
MAX_REACH: Final = 64
#: Records of one Publish, and of one page of a listing: with a hundred of the largest, the
#: message is still below the frame's limit. It also bounds how long one peer's signatures keep
#: the others waiting (about 0.1 ms each).
MAX_PAGE: Final = 100
#: Names of one Renew or Withdraw: all that a node may have.
MAX_NAMES: Final = RECORDS_PER_NODE

#: Seconds that the clocks of a pool may differ by, as for its certificates.
SKEW: Final = 300.0


def from_the_future(sequence: int, wall: float) -> bool:
    """Whether a record with this sequence was signed by a clock that was ahead. It binds nobody:
    its owner's next one, signed after a restart by a clock that is right, has a lower number.

    >>> from_the_future(1_700_000_000_000_000, wall=1_700_000_000.0)
    False
    """
    return sequence > (wall + SKEW) * 1_000_000


def refusal(code: str, why: str) -> str:
    """How a reason stands in `Published`: a word for programs, then a sentence for people."""
    return f"{code}: {why}"


def shown(text: str) -> str:
    """A peer's text, for a sentence: bounded, and without control characters."""
    return ascii(text if len(text) <= 100 else text[:99] + "…")


def not_of(name: str, node: str) -> str:
    """Why this node may not change this name."""
    return f"{shown(name)} is not a name of node {shown(node)}"


def problem(record: Record, signed: Signed) -> str:
    """Why this record is not taken, or nothing."""
    if len(signed.payload) > MAX_PAYLOAD:
        return refusal("too-large", f"{len(signed.payload)} bytes where {MAX_PAYLOAD} may be")
    if len(signed.signature) + len(signed.certificate) > MAX_PROOF:
        return refusal("too-large", f"signature and certificate exceed {MAX_PROOF} bytes")
    if len(record.labels) > MAX_LABELS:
        return refusal("too-large", f"{len(record.labels)} labels where {MAX_LABELS} may be")
    for text in (*record.labels, *record.labels.values()):
        if len(text) > MAX_LABEL:
            return refusal("too-large", f"label {shown(text)} exceeds {MAX_LABEL} characters")
    if len(record.reach or ()) > MAX_REACH:
        return refusal("too-large", f"more than {MAX_REACH} landings in reach")
    try:
        Address.parse(record.address)
    except AddressError as error:
        return refusal("bad-address", f"the address of {shown(record.name)}: {error}")
    try:
        for landing in record.reach or ():
            Landing.parse(landing)
    except AddressError as error:
        return refusal("bad-address", f"the reach of {shown(record.name)}: {error}")
    return ""
