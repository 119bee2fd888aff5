"""Whether every stage can be crossed here at all, before any network is looked at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from glasnost.core.address import Route, Stage
from glasnost.core.routes.traits import Traits
from glasnost.errors import AddressError

#: What may stand where, and what is said of what may not: at the beginning, behind a prelude,
#: behind a proxy, behind any other stage.
_PLACES: Final = {
    "start": (
        {"origin", "prelude"},
        "a route must begin by opening a connection, as an ip4 or ip6 stage does",
    ),
    "prelude": (
        {"origin", "prelude"},
        "what stands before it may only precede opening a connection",
    ),
    "proxy": ({"origin"}, "a proxy must be told here where to connect to"),
    "stream": ({"forward", "reversing"}, "only behind a proxy can a further connection be opened"),
}


def why_unusable(route: tuple[Stage, ...], kinds: Mapping[str, Traits]) -> str | None:
    """Why the stages of a route cannot be crossed in this order, None if they can."""
    for number, stage in enumerate(route, 1):
        if stage.kind in kinds and kinds[stage.kind].ours:
            return _at(number, stage, "only an exit of our own settings may ask for it")
    return _why_not(route, kinds)


def _why_not(stages: tuple[Stage, ...], kinds: Mapping[str, Traits]) -> str | None:
    place = "start"
    before: Traits | None = None
    for number, stage in enumerate(stages, 1):
        reason = _why_not_stage(stage, kinds)
        if reason is not None:
            return _at(number, stage, reason)
        traits = kinds[stage.kind]
        role = traits.role
        allowed, otherwise = _PLACES[place]
        if role not in allowed:
            return _at(number, stage, otherwise)
        if place == "proxy" and before is not None and stage.kind not in before.onward:
            return _at(
                number, stage, f"the proxy before it opens only {', '.join(sorted(before.onward))}"
            )
        before = traits
        place = "prelude" if role == "prelude" else "proxy" if traits.onward else "stream"
    if place != "stream":
        return _at(len(stages), stages[-1], "no stage that opens a connection follows it")
    return None


def why_no_exit(
    stages: tuple[Stage, ...], route: tuple[Stage, ...], kinds: Mapping[str, Traits]
) -> str | None:
    """Why an exit with these stages does not lead to a usable route, None if it does."""
    for number, stage in enumerate(stages, 1):
        if stage.kind in kinds and kinds[stage.kind].ways:
            return _at(number, stage, "a way out leads through no broker")
    return _why_not(stages + route, kinds)


def _at(number: int, stage: Stage, reason: str) -> str:
    return f"stage {number} ({stage}): {reason}"


def origin_of(route: Route, kinds: Mapping[str, Traits]) -> Stage:
    """Where a usable route begins: its first stage that opens a connection."""
    for stage in route.stages:
        if kinds[stage.kind].protocols:
            return stage
    raise AssertionError("a usable route opens a connection")


def _why_not_stage(stage: Stage, kinds: Mapping[str, Traits]) -> str | None:
    """Why this stage cannot be crossed wherever it stands, None if it can."""
    traits = kinds.get(stage.kind)
    if traits is None:
        return f'nobody here can cross a "{stage.kind}" stage'
    if stage.overfull:
        return f'it has more arguments than a "{stage.kind}" stage has here'
    if "=" in stage.text:
        for key in stage.critical:
            if key not in traits.options:
                return f'the option "{key}" must be understood, and nobody here knows it'
        if traits.role == "reversing":
            try:
                _ = stage.reach
            except AddressError as error:
                return f'its "reach" cannot be read: {error}'
    return traits.check(stage) if traits.check else None
