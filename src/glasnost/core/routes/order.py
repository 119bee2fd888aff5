"""In which order paths are tried: named rules, each a key computed from one path.

The first rule whose keys differ decides a pair, so the order is total and every pair can be
explained. A new concern is a new rule in the table, at the place where it counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final, NamedTuple

from glasnost.core.address import PUBLIC
from glasnost.core.routes.path import Crossing, Path, Policy
from glasnost.core.routes.reasons import listed, reached_on

Key = tuple[float, ...]


class Rule(NamedTuple):
    """A reason to try one path before another: the smaller key goes first."""

    name: str
    key: Callable[[Path, Policy], Key]
    says: Callable[[Path], str]


def _network_rank(path: Path, policy: Policy) -> Key:
    network = path.route.network
    for rank, entry in enumerate(policy.prefer):
        if network == entry or (entry.endswith("*") and network.startswith(entry[:-1])):
            return (rank,)
    default = 0 if network.startswith("host.") else 2 if network == PUBLIC else 1
    return (len(policy.prefer) + default,)


RULES: Final = (
    Rule(
        "same machine",
        lambda path, _: (not path.route.network.startswith("host."),),
        lambda path: f"on {path.route.network}",
    ),
    Rule(
        "no relay",
        lambda path, _: (path.relays,),
        lambda path: _count(path.relays, "relay"),
    ),
    Rule(
        "fewest reversals",
        lambda path, _: (len(path.crossings),),
        lambda path: _count(len(path.crossings), "reversal"),
    ),
    Rule(
        "known reach",
        lambda path, _: (path.unknown_reach,),
        lambda path: f"the target's reach is {'unknown' if path.unknown_reach else 'known'}",
    ),
    Rule("network order", _network_rank, lambda path: f"on {path.route.network}"),
    Rule(
        "exit cost",
        lambda path, _: (path.exit.cost,),
        lambda path: f"its exit costs {path.exit.cost:g}",
    ),
    Rule(
        "fewer stages",
        lambda path, _: (len(path.stages),),
        lambda path: _count(len(path.stages), "stage"),
    ),
    Rule(
        "the owner's order",
        lambda path, _: (path.route_number,),
        lambda path: f"route {path.route_number}",
    ),
    # The last two only part paths over one route, so that no two paths are ever equal.
    Rule(
        "the order of exits",
        lambda path, _: (path.exit_number,),
        lambda path: f"exit {path.exit_number}",
    ),
    Rule(
        "later relays",
        lambda path, _: tuple(one.way == "relay" for one in path.crossings),
        lambda path: ", ".join(f"stage {one.stage_index + 1}: {one.way}" for one in path.crossings),
    ),
)


def order(paths: Iterable[Path], policy: Policy) -> tuple[Path, ...]:
    """The paths, best first, each saying why it stands behind the one before it."""
    ranked = sorted(paths, key=lambda path: [rule.key(path, policy) for rule in RULES])
    placed = []
    for index, path in enumerate(ranked):
        where = _behind(ranked[index - 1], path, index, policy) if index else "tried first"
        placed.append(replace(path, why=(where, *_facts(path))))
    return tuple(placed)


def decided_by(one: Path, other: Path, policy: Policy | None = None) -> str:
    """The name of the rule that puts one of two different paths before the other."""
    return _deciding(one, other, policy or Policy()).name


def _deciding(one: Path, other: Path, policy: Policy) -> Rule:
    for rule in RULES:
        if rule.key(one, policy) != rule.key(other, policy):
            return rule
    raise ValueError("these are the same path: nothing puts one before the other")


def _behind(ahead: Path, path: Path, number: int, policy: Policy) -> str:
    rule = _deciding(ahead, path, policy)
    return f"after path {number} by {rule.name}: {rule.says(path)}, there {rule.says(ahead)}"


def _facts(path: Path) -> list[str]:
    """What a reader should know of a path, wherever it stands."""
    return [f"leaves by exit {path.exit_number}: {path.exit}", *map(_crossed, path.crossings)]


def _crossed(crossing: Crossing) -> str:
    stage = f"stage {crossing.stage_index + 1}"
    if crossing.way == "relay":
        return f"{stage}: the broker relays"
    where = listed(reached_on(crossing.returns))
    hope = ", if it can: its reach is unknown" if crossing.unknown_reach else ""
    return f"{stage}: the target dials back to {where}{hope}"


def _count(number: int, what: str) -> str:
    return f"{number or 'no'} {what}{'' if number == 1 else 's'}"
