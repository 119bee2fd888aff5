"""RFC 6724: which source a host would use for a destination, and how well the two fit.

Destinations are compared by the keys of a `Fit`, each named like its rule in section 6. Left out
are rules 1, 3, 4 and 7, whose facts (usable, deprecated, home, tunnelled) planning has not. Rule 9
holds for IPv6 alone: IPv4 prefixes say nothing about distance, and comparing them would send
everybody to the same of several servers.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv6Address
from typing import Final, NamedTuple

from glasnost.core.address.literals import PLAIN_IP6, ip4

#: Section 2.1, the default policy table: prefix, its length, precedence, label. Longest first.
_TABLE: Final = tuple(
    (int(IPv6Address(prefix)) >> (128 - length), 128 - length, precedence, label)
    for prefix, length, precedence, label in (
        ("::1", 128, 50, 0),
        ("::ffff:0:0", 96, 35, 4),
        ("::", 96, 1, 3),
        ("2001::", 32, 5, 5),
        ("2002::", 16, 30, 2),
        ("3ffe::", 16, 1, 12),
        ("fec0::", 10, 1, 11),
        ("fc00::", 7, 3, 13),
        ("::", 0, 40, 1),
    )
)
_PLAIN_IP6: Final = re.compile(PLAIN_IP6)
_MAPPED: Final = 0xFFFF << 32

#: Scopes of unicast addresses, on the scale of multicast ones (section 3.1; RFC 4291, 2.7).
LINK_LOCAL, SITE_LOCAL, GLOBAL = 0x2, 0x5, 0xE

#: "up to the length of S's prefix (i.e., the portion of the address not including the interface
#: ID)" (section 2.2): /64 everywhere but on links without interface identifiers.
_PREFIX: Final = 64

#: Literals whose properties are kept: a host's own sources, and the destinations of some plans.
_KEPT: Final = 1024


class Literal(NamedTuple):
    """What the rules ask of one address; ``value`` is 128 bits, IPv4 as ``::ffff:a.b.c.d``."""

    value: int
    scope: int
    precedence: int
    label: int

    @property
    def is_ip4(self) -> bool:
        return self.value >> 32 == 0xFFFF


class Fit(NamedTuple):
    """How a destination and the source it would be reached from fit, rule by rule; the smaller
    goes first."""

    scope_differs: bool  # rule 2
    label_differs: bool  # rule 5
    precedence: int  # rule 6, negated
    scope: int  # rule 8
    prefix: int  # rule 9, negated; 0 for IPv4


#: What stands for a destination that is no literal, or is reached from elsewhere: an ordinary
#: global address with a source that fits.
ORDINARY: Final = {
    "ip4": Fit(False, False, -35, GLOBAL, 0),
    "ip6": Fit(False, False, -40, GLOBAL, 0),
}


@lru_cache(maxsize=_KEPT)
def literal(text: str) -> Literal:
    """The properties of a literal; a zone does not count. Raises ``ValueError``.

    >>> literal("192.0.2.1")[1:], literal("fe80::1%eth0")[1:]
    ((14, 35, 4), (2, 40, 1))
    """
    value = _ip6_value(text) if ":" in text else _ip4_value(text)
    for prefix, shift, precedence, label in _TABLE:
        if value >> shift == prefix:
            return Literal(value, _scope(value), precedence, label)
    raise AssertionError("::/0 holds every address")


def _ip4_value(text: str) -> int:
    # int(IPv4Address()) takes four times as long, and every plan reads a few.
    if ip4(text) is None:
        raise ValueError(f"{text!r} is no IP address")
    return _MAPPED | int.from_bytes(bytes(map(int, text.split("."))), "big")


def _ip6_value(text: str) -> int:
    if not _PLAIN_IP6.fullmatch(text):
        return int(IPv6Address(text))
    head, gap, tail = text.partition("::")
    before, after = head.split(":") if head else [], tail.split(":") if tail else []
    zeros = ["0"] * (8 - len(before) - len(after)) if gap else []
    return int("".join([group.zfill(4) for group in before + zeros + after]), 16)


def _scope(value: int) -> int:
    if value >> 32 == 0xFFFF:
        # 3.2: loopback and auto-configured IPv4 addresses are link-local, all others global.
        local = value >> 24 & 0xFF == 127 or value >> 16 & 0xFFFF == 0xA9FE
        return LINK_LOCAL if local else GLOBAL
    if value >> 120 == 0xFF:
        return value >> 112 & 0xF
    if value == 1 or value >> 118 == 0xFE80 >> 6:
        return LINK_LOCAL
    return SITE_LOCAL if value >> 118 == 0xFEC0 >> 6 else GLOBAL


def source_for(destination: str, candidates: Sequence[str]) -> str | None:
    """The source that a host would choose for a destination (section 5, rules 1, 2, 6 and 8);
    None where no candidate is of its family.

    >>> source_for("2001:db8:1::1", ["fe80::1", "2001:db8:3::1"])
    '2001:db8:3::1'
    """
    there = literal(destination)
    own = [one for one in candidates if literal(one).is_ip4 == there.is_ip4]
    if len(own) < 2:
        return own[0] if own else None
    return min(own, key=lambda one: _unsuitable(literal(one), there))


def _unsuitable(source: Literal, there: Literal) -> tuple[int, ...]:
    """The smaller, the better a source suits."""
    narrow = source.scope < there.scope
    return (
        source.value != there.value,  # rule 1: prefer same address
        narrow,  # rule 2: prefer appropriate scope ...
        -source.scope if narrow else source.scope,  # ... the nearest that is wide enough
        source.label != there.label,  # rule 6: prefer matching label
        -_common_prefix(source, there),  # rule 8: use longest matching prefix
    )


def fit(destination: str, candidates: Sequence[str]) -> Fit:
    """How well a destination suits a host with these source addresses (section 6).

    Where no candidate is known, one that fits is assumed: nothing is held against a destination.
    """
    there = literal(destination)
    source = source_for(destination, candidates)
    if source is None:
        return Fit(False, False, -there.precedence, there.scope, 0)
    here = literal(source)
    prefix = 0 if there.is_ip4 else min(_common_prefix(here, there), _PREFIX)
    return Fit(
        here.scope != there.scope,
        here.label != there.label,
        -there.precedence,
        there.scope,
        -prefix,
    )


def _common_prefix(one: Literal, other: Literal) -> int:
    """How many leading bits two addresses share."""
    return 128 - (one.value ^ other.value).bit_length()
