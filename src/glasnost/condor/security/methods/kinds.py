"""The methods of authentication that HTCondor knows, by bit and by name."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator
from functools import reduce
from typing import Final


class Method(enum.IntEnum):
    """A method; its value is its bit in the masks of a negotiation."""

    CLAIMTOBE = 2
    FS = 4
    FS_REMOTE = 8
    NTSSPI = 16
    GSI = 32
    KERBEROS = 64
    ANONYMOUS = 128
    SSL = 256
    PASSWORD = 512
    MUNGE = 1024
    TOKEN = 2048
    SCITOKENS = 4096

    @property
    def known(self) -> str:
        """Its name in settings and manuals; `name` is that in ads."""
        return "IDTOKENS" if self is Method.TOKEN else self.name


_NAMES: Final = {
    **{method.name: method for method in Method},
    **dict.fromkeys(("TOKENS", "IDTOKEN", "IDTOKENS"), Method.TOKEN),
}


def methods_in(text: str) -> tuple[Method, ...]:
    """The methods of a list that are known, in its order.

    >>> methods_in("FS, idtokens,ROT13")
    (<Method.FS: 4>, <Method.TOKEN: 2048>)
    """
    named = (_NAMES.get(name.strip().upper()) for name in text.replace(",", " ").split())
    return tuple(dict.fromkeys(method for method in named if method is not None))


def mask_of(methods: Iterable[Method]) -> int:
    return reduce(int.__or__, methods, 0)


def in_mask(mask: int) -> Iterator[Method]:
    return (method for method in Method if method & mask)
