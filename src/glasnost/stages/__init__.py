"""How to cross a stage: one file per kind, and the table of those we know.

Stages do not know each other; `walk` stacks them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from glasnost.core.address.stage import Stage
from glasnost.core.routes.traits import Traits
from glasnost.settings import Settings
from glasnost.stages.base import Check, Expectation, Kind, Kinds, Means, Step
from glasnost.stages.ccb import CCB
from glasnost.stages.dns import DNS
from glasnost.stages.http_connect import HTTP_CONNECT
from glasnost.stages.ip import IP4, IP6
from glasnost.stages.knock import KNOCK
from glasnost.stages.service import SERVICE
from glasnost.stages.socks5 import SOCKS5
from glasnost.stages.tls import TLS
from glasnost.stages.unix import UNIX
from glasnost.stages.ws import WS

__all__ = ["KINDS", "TRAITS", "Expectation", "Kind", "Kinds", "Means", "Step", "traits"]

KINDS: Kinds = {
    "ip4": IP4,
    "ip6": IP6,
    "dns": DNS,
    "unix": UNIX,
    "knock": KNOCK,
    "service": SERVICE,
    "ccb": CCB,
    "tls": TLS,
    "ws": WS,
    "socks5": SOCKS5,
    "http-connect": HTTP_CONNECT,
}

#: What planning needs to know about each, where whose settings are asked does not matter.
TRAITS = {name: kind.traits for name, kind in KINDS.items()}


def traits(settings: Settings) -> Mapping[str, Traits]:
    """The same for a host with these settings: what they do not name cannot be crossed there."""
    checked = {
        name: replace(kind.traits, check=partial(_check, kind.check, settings))
        for name, kind in KINDS.items()
        if kind.check is not None
    }
    return {**TRAITS, **checked}


def _check(check: Check, settings: Settings, stage: Stage) -> str | None:
    return check(stage, settings)
