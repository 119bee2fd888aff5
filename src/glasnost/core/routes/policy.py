"""What the client's own settings say about which way to go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from glasnost.core.address import PUBLIC
from glasnost.core.address.spelling import WORD

#: Networks that no setting names: this machine, then other named networks, then the Internet.
_DEFAULTS: Final = 3


@dataclass(frozen=True, slots=True)
class Policy:
    """What the client's own settings say.

    ``prefer`` puts networks first and ``avoid`` puts them last, in order; an entry that ends in
    ``*`` stands for all networks that begin so. In between: ``host.*``, then other named networks,
    then ``public``. ``costs`` says what each connection over a network costs, in the unit of the
    exits' costs. ``protocol`` is tried first where nothing else decides. ``relay`` and ``meet``
    say whether those ways may be used at all.
    """

    prefer: tuple[str, ...] = ()
    avoid: tuple[str, ...] = ()
    costs: Mapping[str, float] = field(default_factory=dict)
    protocol: Literal["ip4", "ip6"] = "ip6"
    relay: bool = True
    meet: bool = True

    def __post_init__(self) -> None:
        for entry in (*self.prefer, *self.avoid, *self.costs):
            if entry != "*" and not WORD.fullmatch(entry.removesuffix("*")):
                raise ValueError(f"{entry!r} is no network's name, nor a beginning and a *")
        for entry, cost in self.costs.items():
            if not 0 <= cost < float("inf"):
                raise ValueError(f"the cost {cost} of {entry} is no number from 0 on")

    def rank(self, network: str) -> int:
        """Where a network stands: the smaller goes first.

        >>> policy = Policy(prefer=("lab",), avoid=("cell.*",))
        >>> [policy.rank(one) for one in ("lab", "host.a", "site", "public", "cell.5g")]
        [0, 1, 2, 3, 4]
        """
        first = _place(network, self.prefer)
        if first is not None:
            return first
        last = _place(network, self.avoid)
        if last is not None:
            return len(self.prefer) + _DEFAULTS + last
        default = 0 if network.startswith("host.") else 2 if network == PUBLIC else 1
        return len(self.prefer) + default

    def cost(self, network: str) -> float:
        """What a connection over the network costs: its own entry, else the longest that fits.

        >>> Policy(costs={"cell.*": 5, "cell.5g": 2}).cost("cell.5g")
        2
        """
        if not self.costs:
            return 0
        fitting = [entry for entry in self.costs if _fits(network, entry)]
        # "lab" and "lab*" are told apart by the exact one being no pattern.
        best = max(fitting, key=lambda entry: (entry == network, len(entry)), default=None)
        return 0 if best is None else self.costs[best]


def _place(network: str, entries: tuple[str, ...]) -> int | None:
    return next((place for place, entry in enumerate(entries) if _fits(network, entry)), None)


def _fits(network: str, entry: str) -> bool:
    return network == entry or (entry.endswith("*") and network.startswith(entry[:-1]))
