"""The stage kinds an address can judge: what each is for, its fields, the one spelling of each.

A kind that is not in the table, or that has more arguments than the table knows, is carried with
its bytes untouched. Whether anybody here can *cross* a stage is another matter, and that of the
traits handed to `glasnost.core.routes`.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from glasnost.core.address import literals
from glasnost.core.address.landing import canonical_reach
from glasnost.core.address.limits import MAX_CONDOR_ID, MAX_DNS_NAME, MAX_NAME, MAX_UNIX_PATH
from glasnost.core.address.spelling import VALUE, encode, encode_host


class Field(NamedTuple):
    """One argument or option: what an error says it expected, its canonical value (None: it is
    none), and how that is written."""

    expected: str
    canonical: Callable[[str], str | None]
    written: Callable[[str], str] = encode


class Known(NamedTuple):
    """A stage kind: what crossing it does, its arguments (all required), the options that mean
    something to an address (others are kept), the protocols it opens a connection by, and who
    copies what passes; none: the connection is the kernel's all the way."""

    does: str
    arguments: tuple[Field, ...] = ()
    options: Mapping[str, Field] = {}
    protocols: tuple[str, ...] = ()
    copied_by: str = ""


#: What lies inside another stream is in the memory of whoever speaks the outer one.
_CONNECTING: Final = "the process that connects"

_NAME_LETTERS: Final = "[A-Za-z0-9_.-]"
_NAME: Final = re.compile(rf"{_NAME_LETTERS}{{1,{MAX_NAME}}}")
_CONDOR_ID: Final = re.compile(rf"{_NAME_LETTERS}{{1,{MAX_CONDOR_ID}}}")
#: What stands in the first line of an HTTP request: visible ASCII, and no fragment.
_TARGET: Final = re.compile(r"/[!-\"$-~]*+")
#: HTCondor counts targets in an unsigned long.
_MAX_CCBID: Final = 2**64 - 1
_CCBID: Final = re.compile(r"0*+([0-9]{1,20})|0+")


def _name(text: str) -> str | None:
    return text if _NAME.fullmatch(text) else None


def _condor_id(text: str) -> str | None:
    return text if _CONDOR_ID.fullmatch(text) else None


def _ccbid(text: str) -> str | None:
    found = _CCBID.fullmatch(text)
    if found is None:
        return None
    number = int(found[1] or "0")
    return str(number) if number <= _MAX_CCBID else None


def _request_target(text: str) -> str | None:
    return text if _TARGET.fullmatch(text) else None


def _unix_path(text: str) -> str | None:
    # Relative paths would mean another socket in every process that reads the address.
    if not text.startswith(("/", "@")) or "\0" in text or not VALUE.fullmatch(text):
        return None
    return text if len(text.encode()) <= MAX_UNIX_PATH else None


def _setting(what: str) -> Field:
    # Settings are looked up by it and logs show it; nothing in an address is ever executed.
    return Field(f"the name of {what} in the settings ({_LETTERS})", _name)


_LETTERS: Final = f'1 to {MAX_NAME} letters, digits, "_", "-" or "."'
_PORT: Final = Field("a port from 1 to 65535", literals.port)
_DNS: Final = f"a DNS name (at most {MAX_DNS_NAME} ASCII characters)"
_SERVER: Final = Field(f"{_DNS} or an IP address", literals.host, encode_host)
_REACH: Final = {"reach": Field("none, or landings such as ip4@public+ip6@public", canonical_reach)}

KNOWN: Final[Mapping[str, Known]] = {
    "ip4": Known(
        "connects by TCP over IPv4",
        (Field("an IPv4 address such as 192.0.2.1", literals.ip4), _PORT),
        protocols=("ip4",),
    ),
    "ip6": Known(
        "connects by TCP over IPv6",
        (Field("an IPv6 address such as [2001:db8::1]", literals.ip6, encode_host), _PORT),
        protocols=("ip6",),
    ),
    "dns": Known(
        "looks a name up and connects by TCP",
        (Field(f"{_DNS} that is no IP address", literals.dns_name), _PORT),
        protocols=("ip4", "ip6"),
    ),
    "unix": Known(
        "connects to a Unix socket on this machine",
        (
            Field(
                f"an absolute path, or @ and an abstract name, of at most {MAX_UNIX_PATH} bytes",
                _unix_path,
            ),
        ),
        protocols=("unix",),
    ),
    "service": Known(
        "asks the shared port there for a service",
        (Field(f"the name of a service ({_LETTERS})", _name),),
    ),
    "ccb": Known(
        "asks the broker there for a target, which is named like its node",
        (Field(f"the name of a contact ({_LETTERS})", _name),),
        _REACH,
    ),
    "tls": Known("speaks TLS to the server named", (_SERVER,), copied_by=_CONNECTING),
    "ws": Known(
        "speaks WebSocket to the server named",
        (_SERVER, Field("a path that begins with / (visible ASCII without #)", _request_target)),
        copied_by=_CONNECTING,
    ),
    "socks5": Known("asks a SOCKS5 proxy to connect onward"),
    "http-connect": Known("asks an HTTP proxy to connect onward (CONNECT)"),
    "ssh": Known(
        "logs in by SSH, as our settings say, and connects onward",
        (_setting("a login"),),
        copied_by="OpenSSH's client",
    ),
    "knock": Known("knocks, as our settings say, before it connects", (_setting("a knock"),)),
    "setup": Known(
        "brings something up, as our settings say; in exits only", (_setting("a setup"),)
    ),
    "condor.sock": Known(
        "asks HTCondor's shared port there for a daemon",
        (
            Field(
                f'a shared port id (1 to {MAX_CONDOR_ID} letters, digits, "_", "-" or ".")',
                _condor_id,
            ),
        ),
    ),
    "condor.ccb": Known(
        "asks HTCondor's broker there for a target",
        (Field(f"a ccbid (a number up to {_MAX_CCBID})", _ccbid),),
        _REACH,
    ),
}

#: Stages in the spelling that most addresses come in: known kinds, canonical, nothing encoded, no
#: options. What matches is a stage as it stands; what does not may still be one.
PLAIN: Final = re.compile(
    rf"(?:(ip4):{literals.PLAIN_IP4}:{literals.PLAIN_PORT}"
    rf"|(ip6):\[{literals.PLAIN_IP6}\]:{literals.PLAIN_PORT}"
    rf"|(service|ccb):{_NAME_LETTERS}{{1,{MAX_NAME}}})"
)
