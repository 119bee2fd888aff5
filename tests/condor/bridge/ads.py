"""Ads of a pool's daemons, as a collector tells of them."""

from __future__ import annotations

from glasnost.condor.bridge.gathering import Found, Gathering
from glasnost.condor.bridge.places import Places, Pool
from glasnost.condor.classad import Ad

NOW = 1_800_000_000
POOL = Pool("cm.example.org", Places("site"), "example.org")
CM = "<128.105.1.1:9618?addrs=128.105.1.1-9618&alias=cm.example.org&noUDP&sock=collector>"


def ad(
    kind: str = "Scheduler",
    name: str = "submit1.example.org",
    address: str | None = "<128.105.1.2:9618?sock=schedd_1>",
    **more: str | int | bool,
) -> Ad:
    values: dict[str, str | int | bool] = {
        "MyType": kind,
        "Name": name,
        "Machine": name.rpartition("@")[2],
        "CondorVersion": "$CondorVersion: 25.14.1 2026-05-01 BuildID: 7 $",
        "LastHeardFrom": NOW,
    }
    if address is not None:
        values["MyAddress"] = address
    return Ad(values | more)


def collector(started: int = 1, address: str = CM, runs: int = 363) -> Ad:
    """As 25.14.1's own, which does not say when it began."""
    counts = {"StatsLastUpdateTime": started + runs, "StatsLifetime": runs}
    return ad("Collector", "Pool@cm.example.org", address, **counts)


def found(*ads: Ad, pool: Pool = POOL, roles: tuple[str, ...] = (), **how: int) -> Found:
    gathering = Gathering(pool, roles)
    for one in ads:
        gathering.add(one)
    return gathering.whole(**how)
