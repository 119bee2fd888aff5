"""The stage kinds an address can judge: their fields, and the one spelling of each.

A kind that is not in the table, or that has more arguments than the table knows, is carried with
its bytes untouched. Whether anybody here can *cross* a stage is another matter, and that of the
traits handed to `glasnost.core.routes`.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from glasnost.core.address import literals
from glasnost.core.address.landing import parse_reach, reach_text
from glasnost.core.address.limits import MAX_NAME, MAX_UNIX_PATH
from glasnost.core.address.spelling import VALUE
from glasnost.errors import AddressError

_NAME: Final = re.compile(rf"[A-Za-z0-9_.-]{{1,{MAX_NAME}}}")


class Field(NamedTuple):
    """One argument or option: what an error says it expected, and its canonical spelling."""

    expected: str
    canonical: Callable[[str], str | None]


def _name(text: str) -> str | None:
    return text if _NAME.fullmatch(text) else None


def _unix_path(text: str) -> str | None:
    # Relative paths would mean another socket in every process that reads the address.
    if not text.startswith("/") or "\0" in text or not VALUE.fullmatch(text):
        return None
    return text if len(text.encode()) <= MAX_UNIX_PATH else None


def _reach(text: str) -> str | None:
    try:
        return reach_text(parse_reach(text))
    except AddressError:
        return None


_LETTERS: Final = f'1 to {MAX_NAME} letters, digits, "_", "-" or "."'
_PORT: Final = Field("a port from 1 to 65535", literals.port)

#: The arguments of each kind, all of them required.
ARGUMENTS: Final[Mapping[str, tuple[Field, ...]]] = {
    "ip4": (Field("an IPv4 address such as 192.0.2.1", literals.ip4), _PORT),
    "ip6": (Field("an IPv6 address such as [2001:db8::1]", literals.ip6), _PORT),
    "unix": (Field(f"an absolute path of at most {MAX_UNIX_PATH} bytes", _unix_path),),
    "service": (Field(f"the name of a service ({_LETTERS})", _name),),
    "ccb": (Field(f"the name of a contact ({_LETTERS})", _name),),
}

#: The options that have a meaning to an address; all others are kept as they are.
OPTIONS: Final[Mapping[str, Mapping[str, Field]]] = {
    "ccb": {"reach": Field("reach=none, or landings such as ip4@public+ip6@public", _reach)},
}

#: Kinds that open a connection, and so give a route its landing. Each is named like its protocol.
ORIGINS: Final = frozenset({"ip4", "ip6", "unix"})
