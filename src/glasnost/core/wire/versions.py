"""Which versions of the protocol are spoken here, and how two peers agree on one.

A release speaks its own version and the one before it. What each number stands before, and when
it goes up: docs/protocol/versions.md. The header and records have numbers of their own, which
stay while their layout does.
"""

from __future__ import annotations

from typing import Final

from glasnost.errors import Refused

#: What this release speaks in conversations, best first.
SPOKEN: Final = (2, 1)
NEWEST: Final = SPOKEN[0]
OLDEST: Final = SPOKEN[-1]

_FAMILY: Final = "glasnost/"
#: The highest version that a server knows by name, to refuse it: years from now. OpenSSL copies
#: the names for every connection, 11 bytes each.
_NAMED: Final = 16

#: What a client offers in its TLS hello (ALPN, RFC 7301), best first.
OFFERED: Final = tuple(f"{_FAMILY}{version}" for version in SPOKEN)
#: What a server picks from, best first. Behind what it speaks stands what it does not: TLS then
#: picks that for a client that offers nothing better, and the server can say what it refuses.
RECOGNISED: Final = OFFERED + tuple(
    f"{_FAMILY}{version}" for version in range(1, _NAMED + 1) if version not in SPOKEN
)


def agreed(protocol: str | None) -> int:
    """The version that TLS has agreed on; a peer that names none speaks version 1. Raises
    `Refused` where it is none of ours.

    >>> agreed("glasnost/2"), agreed(None)
    (2, 1)
    """
    named = (protocol or f"{_FAMILY}1").removeprefix(_FAMILY)
    if named not in map(str, SPOKEN):
        raise Refused("version", f"{_spoken()}, and the peer wants {named[:20]}")
    return int(named)


def choose(oldest: int, newest: int) -> int:
    """The best version for a peer that speaks all from ``oldest`` to ``newest``. Raises
    `Refused`.

    >>> choose(1, 1), choose(2, 9)
    (1, 2)
    """
    for version in SPOKEN:
        if oldest <= version <= newest:
            return version
    theirs = f"{oldest} to {newest}" if newest > oldest else f"{oldest}"
    raise Refused("version", f"{_spoken()}, and the peer speaks {theirs}")


def check(since: int, version: int, kind: str, peer: str) -> None:
    """Raises `Refused` where ``kind`` came with a later version than the one spoken with
    ``peer``: it is not asked, since it could not answer."""
    if since > version:
        no = f"{peer} speaks version {version}, and {kind} came with version {since}"
        raise Refused("version", no)


def _spoken() -> str:
    return f"this release speaks versions {' and '.join(map(str, SPOKEN))}"
