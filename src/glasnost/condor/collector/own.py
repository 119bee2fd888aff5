"""The ad that a collector keeps of itself: tools ask for it, and find the pool's name in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from glasnost.condor.classad import Ad, Value
from glasnost.condor.security.negotiation import OUR_VERSION

#: Counts that the ad tells, by the sort of ads that is counted for each.
_COUNTS: Final = {
    "SubmitterAds": "Submitter",
    "ScheddAds": "Scheduler",
    "MasterAds": "DaemonMaster",
    "HostsTotal": "Machine",
    "NegotiatorAds": "Negotiator",
}
PLATFORM: Final = "$CondorPlatform: Glasnost $"


@dataclass(frozen=True)
class Own:
    """What a collector knows of itself. ``address`` is its Sinful, ``address_v1`` the same in
    HTCondor's other notation."""

    pool: str
    machine: str
    address: str
    address_v1: str
    started: int

    def ad(self, now: int, counts: Mapping[str, int]) -> Ad:
        """The ad, as things stand."""
        values: dict[str, Value] = {
            "MyType": "Collector",
            "Name": f"{self.pool}@{self.machine}",
            "Machine": self.machine,
            "MyAddress": self.address,
            "AddressV1": self.address_v1,
            "CollectorIpAddr": self.address,
            "CondorVersion": OUR_VERSION,
            "CondorPlatform": PLATFORM,
            "DaemonStartTime": self.started,
            "MyCurrentTime": now,
            **{name: counts.get(kind, 0) for name, kind in _COUNTS.items()},
        }
        return Ad(values)
