"""IP literals and ports: the one spelling of each, or None for what is none.

Everything here is total: any text in, the canonical text or None out.
"""

import re
import struct
from ipaddress import AddressValueError, IPv6Address
from typing import Final

from glasnost.core.address.limits import MAX_ZONE

_OCTET: Final = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IP4: Final = re.compile(rf"{_OCTET}(?:\.{_OCTET}){{3}}")
_PORT: Final = re.compile(r"0*+([1-9][0-9]{0,4})")
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
