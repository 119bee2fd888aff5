"""IP literals, host names and ports: the one spelling of each, or None for what is none.

Everything here is total: any text in, the canonical text or None out.
"""

import re
import struct
from ipaddress import AddressValueError, IPv6Address
from typing import Final

from glasnost.core.address.limits import MAX_DNS_NAME, MAX_ZONE

_OCTET: Final = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_GROUP: Final = r"(?:0|[1-9a-f][0-9a-f]{0,3})"
_GROUPS_IN_A_ROW: Final = rf"{_GROUP}(?::{_GROUP})*+"

#: An IPv4 literal; each has one spelling.
PLAIN_IP4: Final = rf"{_OCTET}(?:\.{_OCTET}){{3}}"
#: Canonical IPv6 literals for which nothing needs to be computed: there is no choice of what to
#: shorten, as no zero has another, or "::", beside it; "::" stands for at least two zeros, so there
#: are at most six colons with it; mapped IPv4 has its own notation.
PLAIN_IP6: Final = (
    r"(?!::ffff:)(?!(?:[0-9a-f:]*:)?0:[0:])(?![0-9a-f:]*::0)"
    rf"(?:{_GROUP}(?::{_GROUP}){{7}}"
    rf"|(?!(?:[0-9a-f]*:){{7}})(?:{_GROUPS_IN_A_ROW})?::(?:{_GROUPS_IN_A_ROW})?)"
)
#: A port without leading zeros.
PLAIN_PORT: Final = (
    "(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
)

_IP4: Final = re.compile(PLAIN_IP4)
_PORT: Final = re.compile(r"0*+([1-9][0-9]{0,4})")
#: RFC 1035, 2.3.1, with the underscore that services have long used.
_DNS_LABEL: Final = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
#: A name whose last label is a number would be read as an IPv4 address by many (WHATWG URL, 3.5).
_DNS_NAME: Final = re.compile(rf"(?:{_DNS_LABEL}\.)*+(?![0-9]+$){_DNS_LABEL}")
_GROUPS: Final = struct.Struct("!8H")
#: 4.2.2: one group of zeros alone is not shortened.
_ZEROS: Final = re.compile(r"\b0(?::0)+\b")
#: What Linux accepts as an interface name (``dev_valid_name``), without control characters and
#: without "%", which would make two readings of one zone.
_ZONE: Final = re.compile(rf"[^/:%\s\x00-\x1f\x7f\ud800-\udfff]{{1,{MAX_ZONE}}}")


def ip4(text: str) -> str | None:
    """A dotted quad. Leading zeros are refused: some read them as octal.

    >>> ip4("192.0.2.1"), ip4("192.0.2.01")
    ('192.0.2.1', None)
    """
    return text if _IP4.fullmatch(text) else None


def ip6(text: str) -> str | None:
    """An IPv6 literal as RFC 5952 spells it, with its zone if it has one.

    >>> ip6("2001:DB8:0::7"), ip6("fe80::1%eth0"), ip6("::FFFF:c000:201")
    ('2001:db8::7', 'fe80::1%eth0', '::ffff:192.0.2.1')
    """
    literal, percent, zone = text.partition("%")
    if percent and not _ZONE.fullmatch(zone):
        return None
    try:
        address = IPv6Address(literal)
    except AddressValueError:
        return None
    return _rfc5952(address) + percent + zone


def _rfc5952(address: IPv6Address) -> str:
    # str() does this too, in twice the time, and with dotted quads only from Python 3.13 on.
    if (mapped := address.ipv4_mapped) is not None:  # 5: "the mixed notation"
        return f"::ffff:{mapped}"
    text = ":".join([f"{group:x}" for group in _GROUPS.unpack(address.packed)])
    zeros = max(_ZEROS.findall(text), key=len, default="")  # 4.2.3: the longest, the first of them
    if not zeros:
        return text
    before, _, after = f":{text}:".partition(f":{zeros}:")
    return f"{before[1:]}::{after[:-1]}"


def port(text: str) -> str | None:
    """A port from 1 to 65535, without leading zeros.

    >>> port("09618"), port("0"), port("65536")
    ('9618', None, None)
    """
    found = _PORT.fullmatch(text)
    return found[1] if found and int(found[1]) <= 65535 else None


def dns_name(text: str) -> str | None:
    """A DNS name in lower case, without the final dot; names in other scripts come as ``xn--``.

    >>> dns_name("CM.Example.org."), dns_name("192.0.2.1"), dns_name("käse.example")
    ('cm.example.org', None, None)
    """
    # Lower-casing must not make a letter out of what was none (the Kelvin sign is one).
    name = text.lower().removesuffix(".") if text.isascii() else text
    return name if len(name) <= MAX_DNS_NAME and _DNS_NAME.fullmatch(name) else None


def host(text: str) -> str | None:
    """A DNS name or an IP literal of either protocol.

    >>> host("Gate.example.org"), host("2001:DB8::7"), host("192.0.2.256")
    ('gate.example.org', '2001:db8::7', None)
    """
    return ip6(text) if ":" in text else ip4(text) or dns_name(text)
