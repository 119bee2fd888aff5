"""Whether every stage can be crossed here at all, before any network is looked at."""

from __future__ import annotations

from collections.abc import Mapping

from glasnost.core.address import Landing, Route, Stage
from glasnost.core.routes.traits import Traits
from glasnost.errors import AddressError


def why_unusable(stages: tuple[Stage, ...], kinds: Mapping[str, Traits]) -> str | None:
    """Why these stages cannot be crossed in this order, None if they can."""
    for number, stage in enumerate(stages, 1):
        reason = _why_not_stage(stage, kinds) or _why_not_there(stages, number, kinds)
        if reason is not None:
            return f"stage {number} ({stage}): {reason}"
    return None


def landing_of(route: Route, kinds: Mapping[str, Traits]) -> Landing:
    """The landing of a usable route, with the protocol its first origin stage has *here*."""
    protocols = (kinds[stage.kind].protocol for stage in route.stages)
    return Landing(next(protocol for protocol in protocols if protocol), route.network)


def _why_not_stage(stage: Stage, kinds: Mapping[str, Traits]) -> str | None:
    traits = kinds.get(stage.kind)
    if traits is None:
        return f'nobody here can cross a "{stage.kind}" stage'
    if stage.overfull:
        return f'it has more arguments than a "{stage.kind}" stage has here'
    for key in stage.critical:
        if key not in traits.options:
            return f'the option "{key}" must be understood, and nobody here knows it'
    if traits.role == "reversing":
        try:
            _ = stage.reach
        except AddressError as error:
            return f'its "reach" cannot be read: {error}'
    return traits.check(stage) if traits.check else None


def _why_not_there(
    stages: tuple[Stage, ...], number: int, kinds: Mapping[str, Traits]
) -> str | None:
    role = kinds[stages[number - 1].kind].role
    if number == 1 and role not in ("origin", "prelude"):
        return "a route must begin by opening a connection, as an ip4 or ip6 stage does"
    following = kinds.get(stages[number].kind) if number < len(stages) else None
    if role == "prelude" and (number == len(stages) or _neither(following)):
        return "it may only stand before a stage that opens a connection"
    return None


def _neither(traits: Traits | None) -> bool:
    # An unknown kind is reported at its own stage.
    return traits is not None and traits.role not in ("origin", "prelude")
