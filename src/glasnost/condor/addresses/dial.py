"""Which address HTCondor's clients dial, and which addresses a daemon takes for its own.

These are HTCondor's choices, to show and to imitate where we stand in for one of its programs;
Glasnost chooses in `core.routes`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from glasnost.condor.addresses.original import parse_original
from glasnost.condor.addresses.sinful import PRIV_ADDR, Sinful
from glasnost.errors import SinfulError

#: The id that a daemon behind a shared port has if an address names none.
DEFAULT_SOCK: Final = "collector"


@dataclass(frozen=True, slots=True)
class Choice:
    """What a client's settings say: the protocols it has, and the one it would rather use.

    ``in_order``: keep to the owner's order, instead of to a preferred protocol.
    """

    ip4: bool = True
    ip6: bool = True
    prefer_ip4: bool = True
    in_order: bool = False


def choose(sinful: Sinful, choice: Choice) -> Sinful | None:
    """The same address with the best of ``addrs`` in front; None if none of them will do.

    Then host and port are dialled as they are. There is one attempt, whatever comes of it.
    """
    usable = [a for a in sinful.addrs if a.ip and (choice.ip6 if a.six else choice.ip4)]
    if not usable:
        return None
    best = min(
        usable,
        key=lambda a: (-a.desirability, not choice.in_order and a.six == choice.prefer_ip4),
    )
    return replace(sinful, host=best.ip, port=str(best.port))


def points_to(mine: Sinful, other: Sinful) -> bool:
    """Whether a daemon with the address ``mine`` takes ``other`` for itself.

    ``mine`` counts with all its addresses, ``other`` with its primary one.
    """
    if _same_place(mine, other):
        return True
    private = mine.param(PRIV_ADDR)
    if not private:
        return False
    try:
        return _same_place(parse_original(private), other)
    except SinfulError:  # without PrivNet, PrivAddr may be anything
        return False


def _same_place(mine: Sinful, other: Sinful) -> bool:
    same = mine.port_number == other.port_number and mine.host == other.host
    if not same and other.endpoint not in mine.addrs:
        return False
    # Which of the two has the default id, and which none, does not matter.
    return mine.sock == other.sock or {mine.sock, other.sock} == {"", DEFAULT_SOCK}
