"""Private attributes, as lines: those that HTCondor sends only to whom it trusts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from glasnost.condor.classad.names import is_private, is_private_v2

#: One of these is in the name of each of them, in lower case.
_PARTS: Final = (b"claimid", b"capability", b"transferkey", b"_condor_priv")


def may_hold_private(lines: Iterable[bytes]) -> bool:
    """Whether a private attribute may be among the lines: a look at all of them at once, since
    nearly no ad has one, and looking at each line costs more than writing it."""
    text = b"\0".join(lines).lower()
    return any(part in text for part in _PARTS)


def is_private_line(line: bytes) -> bool:
    return is_private(_name(line))


def is_v2_line(line: bytes) -> bool:
    return is_private_v2(_name(line))


def _name(line: bytes) -> str:
    return line.partition(b"=")[0].strip().decode("utf-8", "surrogateescape")
