"""How to cross a stage: one file per kind, and the table of those we know.

Stages do not know each other; `walk` stacks them.
"""

from __future__ import annotations

from glasnost.stages.base import Expectation, Kind, Kinds, Means, Step
from glasnost.stages.ccb import CCB
from glasnost.stages.dns import DNS
from glasnost.stages.http_connect import HTTP_CONNECT
from glasnost.stages.ip import IP4, IP6
from glasnost.stages.service import SERVICE
from glasnost.stages.socks5 import SOCKS5
from glasnost.stages.unix import UNIX

__all__ = ["KINDS", "TRAITS", "Expectation", "Kind", "Kinds", "Means", "Step"]

KINDS: Kinds = {
    "ip4": IP4,
    "ip6": IP6,
    "dns": DNS,
    "unix": UNIX,
    "service": SERVICE,
    "ccb": CCB,
    "socks5": SOCKS5,
    "http-connect": HTTP_CONNECT,
}

#: What planning needs to know about each.
TRAITS = {name: kind.traits for name, kind in KINDS.items()}
