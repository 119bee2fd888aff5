"""The labels below one node's name, each of which is given once."""

from __future__ import annotations

from glasnost.core.protocols.record_rules import RECORDS_PER_NODE
from glasnost.errors import Refused
from glasnost.trust.identity import is_label

#: Names of one host: the directory keeps no more than this many records of a node.
MAX_NAMES = RECORDS_PER_NODE


class Names:
    """Which labels are taken on this node."""

    def __init__(self, node: str) -> None:
        self._node = node
        self._taken: set[str] = set()

    def take(self, name: str) -> None:
        """Raises `Refused`: ``bad-name``, ``taken``, ``quota``."""
        if not is_label(name):
            raise Refused("bad-name", f"{name[:80]!r} cannot be a service's name")
        if name in self._taken:
            raise self.taken(name)
        if len(self._taken) >= MAX_NAMES:
            raise Refused("quota", f"{MAX_NAMES} services are registered on {self._node}")
        self._taken.add(name)

    def taken(self, name: str) -> Refused:
        """What is said to another who wants this name."""
        return Refused("taken", f"a service {name!r} is registered on {self._node} already")

    def free(self, name: str) -> None:
        """Its owner has given it back."""
        self._taken.discard(name)
