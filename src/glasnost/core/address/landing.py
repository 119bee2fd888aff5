"""Landings, the ``ip4@public`` of an address, and the sets of them that endpoints publish.

Of a set, *absent* means that nobody knows it (None in Python, no ``reach=`` in text), and *empty*
that there is nothing in it: ``none``. No landing is spelt like that, as a landing has an "@".
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from glasnost.core.address.spelling import WORD, bad_word, moved
from glasnost.errors import AddressError

#: How the empty set of landings is written.
NONE: Final = "none"

_LANDING: Final = re.compile(f"{WORD.pattern}@{WORD.pattern}")


@dataclass(frozen=True, slots=True, order=True)
class Landing:
    """A protocol on a network: where an exit comes out, and where a route begins."""

    protocol: str
    network: str

    def __post_init__(self) -> None:
        if not WORD.fullmatch(self.protocol):
            raise bad_word(self.protocol, "a protocol")
        if not WORD.fullmatch(self.network):
            raise bad_word(self.network, "a network")

    @classmethod
    def parse(cls, text: str) -> Landing:
        """Read what ``str()`` writes.

        >>> Landing.parse("ip4@public")
        Landing(protocol='ip4', network='public')
        """
        protocol, at, network = text.partition("@")
        if not at and WORD.fullmatch(protocol):
            raise AddressError(text, len(text) + 1, '"@" and a network')
        try:
            return cls(protocol, network)
        except AddressError as error:
            by = len(protocol) + 1 if WORD.fullmatch(protocol) else 0
            raise moved(error, text, by) from None

    def __str__(self) -> str:
        return f"{self.protocol}@{self.network}"


def parse_reach(text: str) -> frozenset[Landing]:
    """Read a set of landings.

    >>> sorted(map(str, parse_reach("ip6@public+ip4@public"))), parse_reach("none")
    (['ip4@public', 'ip6@public'], frozenset())
    """
    if text == NONE:
        return frozenset()
    landings, start = set(), 0
    for word in text.split("+"):
        try:
            landings.add(Landing.parse(word))
        except AddressError as error:
            raise moved(error, text, start) from None
        start += len(word) + 1
    return frozenset(landings)


def reach_text(reach: Iterable[Landing]) -> str:
    """Write a set of landings: sorted, so that equal sets are equal texts.

    >>> reach_text({Landing("ip6", "public"), Landing("ip4", "public")}), reach_text(())
    ('ip4@public+ip6@public', 'none')
    """
    return "+".join(map(str, sorted(set(reach)))) or NONE


def canonical_reach(text: str) -> str | None:
    """What `reach_text` makes of what `parse_reach` reads, None if it is no set of landings.

    >>> canonical_reach("ip6@public+ip4@public+ip6@public"), canonical_reach("ip4")
    ('ip4@public+ip6@public', None)
    """
    words = set(text.split("+"))
    if not all(map(_LANDING.fullmatch, words)):
        return NONE if text == NONE else None
    return "+".join(sorted(words, key=lambda word: word.partition("@")))
