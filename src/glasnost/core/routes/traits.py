"""What planning must know of a stage kind: a value, handed in by whoever knows the kinds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from glasnost.core.address import Stage

Role = Literal["origin", "forward", "reversing", "prelude"]
#: What a reversing stage can do, in the order of trying: each later way costs somebody more.
Way = Literal["dial-back", "meet", "relay"]
WAYS: Final[tuple[Way, ...]] = ("dial-back", "meet", "relay")

#: The protocol of an origin that may open either, as a name in the DNS does.
EITHER: Final = "ip"


@dataclass(frozen=True, slots=True)
class Traits:
    """One stage kind, as far as choosing a path is concerned.

    ``protocol`` is that of the connections an origin opens (`EITHER`: ip4 or ip6). ``options`` are
    the keys understood, which matters for those that begin with a capital. ``ways`` are what a
    reversing stage can do. ``onward`` are the kinds of origin that a forward stage opens for us, as
    a proxy does. ``check`` says why a given stage cannot be used here, or None. ``ours``: only our
    own settings may ask for it, in an exit, and no route of others.
    """

    role: Role
    protocol: str | None = None
    options: frozenset[str] = frozenset()
    ways: frozenset[Way] = frozenset()
    onward: frozenset[str] = frozenset()
    check: Callable[[Stage], str | None] | None = None
    ours: bool = False

    def __post_init__(self) -> None:
        assert (self.protocol is not None) == (self.role == "origin"), "origins have a protocol"
        assert bool(self.ways) == (self.role == "reversing"), "reversing stages have ways"
        assert not self.onward or self.role == "forward", "proxies are forward stages"

    @property
    def protocols(self) -> tuple[str, ...]:
        """The protocols of the connections that an origin opens."""
        if self.protocol is None:
            return ()
        return ("ip6", "ip4") if self.protocol == EITHER else (self.protocol,)
