"""How to cross a stage: one file per kind, and the table of ours.

Stages do not know each other; `walk` stacks them. Kinds of ours that lie elsewhere, as HTCondor's
do, are told by whoever puts a program together (`register`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache, partial

from glasnost.core.address.stage import Stage
from glasnost.core.routes.traits import Traits
from glasnost.settings import Settings
from glasnost.stages.base import Expectation, Kind, Kinds, Means, Step
from glasnost.stages.ccb import CCB
from glasnost.stages.dns import DNS
from glasnost.stages.http_connect import HTTP_CONNECT
from glasnost.stages.ip import IP4, IP6
from glasnost.stages.knock import KNOCK
from glasnost.stages.outside import Unusable, kinds_of_others
from glasnost.stages.service import SERVICE
from glasnost.stages.setup import SETUP
from glasnost.stages.socks5 import SOCKS5
from glasnost.stages.ssh import SSH
from glasnost.stages.tls import TLS
from glasnost.stages.unix import UNIX
from glasnost.stages.ws import WS

__all__ = [
    "KINDS",
    "Expectation",
    "Kind",
    "Kinds",
    "Means",
    "Step",
    "crosses",
    "kinds",
    "ours",
    "register",
    "traits",
]

#: Ours that lie in this folder. What is crossed here is in `kinds`.
KINDS: Kinds = {
    "ip4": IP4,
    "ip6": IP6,
    "dns": DNS,
    "unix": UNIX,
    "knock": KNOCK,
    "setup": SETUP,
    "service": SERVICE,
    "ccb": CCB,
    "tls": TLS,
    "ws": WS,
    "socks5": SOCKS5,
    "http-connect": HTTP_CONNECT,
    "ssh": SSH,
}


#: Ours that lie elsewhere.
_registered: dict[str, Kind] = {}


def register(more: Kinds) -> None:
    """Kinds of ours that lie below this folder and so cannot be imported here. Node, daemons and
    commands say so when they are imported; whoever says it again says nothing new."""
    if more.items() <= _registered.items():
        return
    _registered.update(more)
    kinds.cache_clear()
    _traits.cache_clear()


def ours() -> Kinds:
    """All that Glasnost itself crosses."""
    return {**KINDS, **_registered}


@cache
def kinds() -> Kinds:
    """Ours, and those of the plugins that are installed: they are looked for when the first stage
    is, once."""
    return {**kinds_of_others(), **ours()}


def crosses(kind: str) -> bool:
    """Whether stages of this kind are crossed here at all."""
    return kind in kinds() and not isinstance(kinds()[kind], Unusable)


def traits(settings: Settings | None = None) -> Mapping[str, Traits]:
    """What planning needs to know about each, for a host with these settings: what they do not
    name cannot be crossed there. Without, all that stages name is taken to exist."""
    return _traits() if settings is None else {**_traits(), **_checked(settings)}


@cache
def _traits() -> Mapping[str, Traits]:
    return {name: kind.traits for name, kind in kinds().items()}


def _checked(settings: Settings) -> Mapping[str, Traits]:
    return {
        name: replace(kind.traits, check=partial(_check, kind, settings))
        for name, kind in kinds().items()
        if kind.check is not None
    }


def _check(kind: Kind, settings: Settings, stage: Stage) -> str | None:
    """First what is wrong with the stage itself."""
    why = kind.traits.check(stage) if kind.traits.check else None
    return why or (kind.check(stage, settings) if kind.check else None)
