"""Stage kinds that others wrote: the entry points of the group ``glasnost.stages``.

Each gives a `Kind` under the kind's name, and that is all we know of it. So it is looked at before
it joins the table, and what it does goes through a guard (guard.py): a plugin that cannot be loaded
costs its own kind and a sentence.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final, get_args

from glasnost.core.address.kinds import KNOWN
from glasnost.core.address.spelling import A_WORD, WORD
from glasnost.core.routes.traits import EITHER, WAYS, Role, Traits
from glasnost.core.text import facts
from glasnost.errors import Unavailable
from glasnost.stages.base import Kind, Step
from glasnost.stages.guard import Guard, in_a_line, told

log = logging.getLogger("glasnost.stages")

GROUP: Final = "glasnost.stages"

#: What origins may open: the protocols that exits come out with.
_PROTOCOLS: Final = frozenset({"ip4", "ip6", "unix", EITHER})


def kinds_of_others() -> Mapping[str, Kind]:
    """The kinds that are installed here. One that cannot be used is there, too: its check says why
    not. Every call looks anew, and says in the log what is wrong."""
    found: dict[str, list[EntryPoint]] = {}
    for entry in _entries():
        found.setdefault(entry.name, []).append(entry)
    kinds = {name: _kind(name, entries) for name, entries in found.items()}
    return {name: kind for name, kind in kinds.items() if kind is not None}


def _entries() -> Iterable[EntryPoint]:
    try:
        return entry_points(group=GROUP)
    except Exception as error:  # one damaged package is enough, and it need not be a plugin
        log.warning("plugins cannot be listed: %s", told(error), extra=facts(code="plugin"))
        return ()


def _kind(name: str, entries: list[EntryPoint]) -> Kind | None:
    """None: there can be no stage of this name, or it is one of ours."""
    plugin = " and ".join(sorted({_giver(one) for one in entries}))
    if not WORD.fullmatch(name):
        _complain(plugin, f'no kind can be called "{name}", which is not {A_WORD}')
        return None
    if name in KNOWN:
        _complain(plugin, f'"{name}" is a kind of our own, which no plugin replaces')
        return None
    if len(entries) > 1:
        return _unusable(_complain(plugin, f'only one may give the kind "{name}"'))
    try:
        kind = entries[0].load()
    except (Exception, SystemExit) as error:  # it is a program of its own, and may do anything
        return _unusable(_complain(plugin, f"cannot be loaded: {told(error)}"))
    if (why := why_no_kind(kind)) is not None:
        return _unusable(_complain(plugin, f"{entries[0].value}: {why}"))
    return Guard(plugin).around(kind)


def _giver(entry: EntryPoint) -> str:
    """What is to be repaired or removed: the package."""
    try:
        return (entry.dist.name if entry.dist else None) or entry.value
    except Exception:  # a package without its metadata
        return entry.value


def _complain(plugin: str, why: str) -> str:
    said = in_a_line(f"plugin {plugin}: {why}")
    log.warning("%s", said, extra=facts(code="plugin"))
    return said


def why_no_kind(kind: object) -> str | None:
    """What about a kind is not as planning and walking take it to be; None: all is."""
    if not isinstance(kind, Kind):
        return "it is no Kind"
    traits: Any = kind.traits  # of anybody's making
    if not isinstance(traits, Traits):
        return "its traits are no Traits"
    origin, reversing = traits.role == "origin", traits.role == "reversing"
    promises = {
        "the role is origin, forward, reversing or prelude": traits.role in get_args(Role),
        "an origin, and nothing else, opens ip4, ip6, unix or (either IP protocol) ip": (
            traits.protocol in _PROTOCOLS if origin else traits.protocol is None
        ),
        f"a reversing kind, and no other, has ways: {', '.join(WAYS)}": (
            _words(traits.ways) and traits.ways <= {*WAYS} and bool(traits.ways) == reversing
        ),
        "options are a frozenset of keys": _words(traits.options),
        "onward is a frozenset of kinds, and a forward kind's": (
            _words(traits.onward) and (not traits.onward or traits.role == "forward")
        ),
        "what goes onward says how, and nothing else does": (
            callable(kind.onward) if traits.onward else kind.onward is None
        ),
        "cross is a function": callable(kind.cross),
        "a check is a function": all(c is None or callable(c) for c in (traits.check, kind.check)),
        "the deed is a word or two": isinstance(kind.deed, str),
    }
    return next((promise for promise, kept in promises.items() if not kept), None)


def _words(value: object) -> bool:
    return isinstance(value, frozenset) and all(isinstance(one, str) for one in value)


class Unusable(Kind):
    """Stands for a kind whose plugin is of no use."""


def _unusable(why: str) -> Kind:
    """With the reason as what is wrong with each of its stages."""

    async def cross(step: Step, sock: socket.socket | None) -> socket.socket | None:
        if sock is not None:
            sock.close()
        raise Unavailable(why)

    return Unusable(Traits("forward", check=lambda stage: why), cross)
