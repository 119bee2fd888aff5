"""A daemon, as its ad in a collector tells of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from glasnost.condor.classad import Ad
from glasnost.condor.collector.kinds import word

#: By MyType, in lower case: what a daemon is called here. The order is that of what a pool can
#: least do without, for who cannot publish all of them.
ROLES: Final = {
    "collector": "collector",
    "negotiator": "negotiator",
    "scheduler": "schedd",
    "startd": "startd",
    "machine": "startd",
    "credd": "credd",
    "had": "had",
    "defrag": "defrag",
    "placementd": "placementd",
    "daemonmaster": "master",
}
#: What of an ad is asked for.
ATTRIBUTES: Final = (
    *("MyType", "Name", "Machine", "MyAddress", "CondorVersion"),
    *("LastHeardFrom", "ClassAdLifetime", "DaemonStartTime", "Absent", "Offline"),
    *("StatsLastUpdateTime", "StatsLifetime"),
)
#: How long an ad lives that does not say it itself, seconds (CLASSAD_LIFETIME).
LIFETIME: Final = 900
#: Characters of a name: those of a DNS name, and as many before the @.
MAX_NAME: Final = 512

_VERSION: Final = re.compile(r"\$CondorVersion: (\d{1,4})\.(\d{1,4})\.(\d{1,4}) ")
#: In front of the name of a startd in the names of its slots.
_SLOT: Final = re.compile(r"slot\d+(?:_\d+)?@")


@dataclass(frozen=True, slots=True)
class Daemon:
    """``name`` as HTCondor calls it; slots are their startd. ``address`` is what its ad says."""

    role: str
    name: str
    machine: str
    address: str
    version: str = ""


@dataclass(frozen=True, slots=True)
class Heard:
    """What an ad says of its own time: when it came in, how long it holds, and since when its
    daemon runs; seconds since 1970 by the collector's clock."""

    at: int
    lifetime: int
    started: int


def read(ad: Ad) -> Daemon | str | None:
    """The daemon of an ad; why it is none that could be reached; None where it says of itself that
    it is not there, or is no daemon. Raises `ProtocolError`."""
    role = ROLES.get((word(ad, "MyType") or "").lower())
    if role is None or ad.get("Absent") is True or ad.get("Offline") is True:
        return None
    name, machine = word(ad, "Name"), word(ad, "Machine") or ""
    name = name or machine
    if role == "startd" and name:
        name = _SLOT.sub("", name, count=1)
    if not name or len(name) > MAX_NAME:
        return f"a {role} has no name" if not name else f"a {role}'s name is too long"
    address = word(ad, "MyAddress")
    if not address:
        return f"{role} {name[:100]} has no address"
    return Daemon(role, name, machine[:MAX_NAME], address, version(word(ad, "CondorVersion")))


def version(text: str | None) -> str:
    """The numbers of a version.

    >>> version("$CondorVersion: 25.14.1 2026-05-01 BuildID: 7 $")
    '25.14.1'
    """
    found = _VERSION.match(text or "")
    return ".".join(found.groups()) if found else ""


def heard(ad: Ad) -> Heard:
    """When the ad came in. Raises `ProtocolError`."""
    # HTCondor's collectors do not say when they began; what they count says until when, and for
    # how long it has counted.
    counted = _seconds(ad, "StatsLastUpdateTime") - _seconds(ad, "StatsLifetime")
    return Heard(
        _seconds(ad, "LastHeardFrom"),
        _seconds(ad, "ClassAdLifetime", LIFETIME),
        _seconds(ad, "DaemonStartTime", counted),
    )


def _seconds(ad: Ad, name: str, otherwise: int = 0) -> int:
    value = ad.get(name)
    return value if isinstance(value, int) and value >= 0 else otherwise
