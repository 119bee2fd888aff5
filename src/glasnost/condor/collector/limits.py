"""How much a collector keeps, and for how long."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CollectorLimits:
    """Each is refused in a sentence when it is reached; what is kept already stays."""

    #: Ads of one sort. HTCondor's largest pools have some 200,000 slots.
    ads: int = 250_000
    #: Tables that senders name themselves (generic ads).
    generic_tables: int = 100
    #: Bytes of one ad's lines: a slot's are 6,000, the largest of a schedd some 100,000.
    ad: int = 1024 * 1024
    #: Bytes of memory in all: 200,000 slots take 1.9 GB.
    total: int = 2 * 1024**3
    #: Seconds an ad is kept whose `ClassAdLifetime` says nothing; HTCondor's CLASSAD_LIFETIME.
    lifetime: int = 900
    #: The longest that an ad may ask for: what HTCondor gives the ads of absent machines.
    longest: int = 2_592_000
