"""Round trips until the first byte of the answer, where the path leads through others' servers.

As `roundtrips` counts them, with two hosts more: every server of others stands on one of its own,
and so a cable away from both its sides. What comes behind a proxy's answer goes out at once, in one
piece: the call, and TLS's hello behind it.
"""

from __future__ import annotations

import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from benchmarks.figures import Figure, at_most
from benchmarks.pool import Pool
from benchmarks.roundtrips import CABLE, PORT, Caller, Resident, serve_services, trips
from glasnost.settings import Settings, TlsSetting
from glasnost.testing.lab import Host, Lab, available
from tests.lab import servers
from tests.stages.fronts import NAME, certificate

#: What it takes, and has to be here. (Not microsocks, which leaves Nagle's algorithm on and copies
#: 1 kB at a time: each of our flights that is longer would wait for an acknowledgement.)
PROGRAMS: Final = ("danted", "tinyproxy", "haproxy")
_SOCKS, _HTTP, _FRONT = 1080, 3128, 443

#: Trips one way until the answer's first byte is here, in a sealed stream: the least that each
#: protocol allows (docs/topics/round-trips.md has the sums).
LEAST: Final = {
    "http-connect": 14,
    "tls": 14,
    "socks5": 16,
    "socks5, twice": 30,
}


def measure() -> list[Figure]:
    """Round trips through one server, and through two."""
    what = "round trips to the answer, sealed, through"
    if (reason := available() or servers.missing(*PROGRAMS)) is not None:
        return [Figure(what, "", (), note=reason)]
    return [
        Figure(f"{what} {stage}", "", [trips / 2], (), at_most(LEAST[stage] / 2, "ours"))
        for stage, trips in count().items()
    ]


def count() -> dict[str, int]:
    """Trips one way, by stage; needs the lab and the programs."""
    pool = Pool.new()
    with Lab() as lab, tempfile.TemporaryDirectory(prefix="gn-bench-") as name:
        one, two, target, client = (
            lab.host(name, delay=CABLE) for name in ("one", "two", "node7", "node3")
        )
        lab.up()
        folder = Path(name)
        shown = certificate(folder)
        servers.tinyproxy(one, _HTTP, folder)
        servers.haproxy(one, _FRONT, folder, shown, f"{target.ip4}:{PORT}")
        servers.danted(one, _SOCKS, folder)
        servers.danted(two, _SOCKS, folder)
        settings = Settings(tls={NAME: TlsSetting(authorities=str(shown.authority))})
        first, second = (f"ip4:{host.ip4}:{_SOCKS}/socks5" for host in (one, two))
        there = f"ip4:{target.ip4}:{PORT}"
        ways = {
            "http-connect": f"ip4:{one.ip4}:{_HTTP}/http-connect/{there}",
            "tls": f"ip4:{one.ip4}:{_FRONT}/tls:{NAME}",
            "socks5": f"{first}/{there}",
            "socks5, twice": f"{first}/{second}/{there}",
        }
        with Resident(target) as at_target, Resident(client) as here:
            at_target.run(serve_services(at_target.stack, pool))
            return here.run(_count(here.stack, pool, client, settings, ways))


async def _count(
    stack: AsyncExitStack, pool: Pool, client: Host, settings: Settings, ways: dict[str, str]
) -> dict[str, int]:
    caller, counted = Caller(stack, pool, client, settings), {}
    for stage, way in ways.items():

        async def call(way: str = way) -> None:
            await caller.call(f"public/{way}", "sealed", None, None)

        counted[stage] = await trips(call, LEAST[stage])
    return counted
