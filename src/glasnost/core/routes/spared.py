"""Which origins an exit is not for, or a knock is: addresses, ranges, and names with all below
them."""

from __future__ import annotations

import ipaddress
from functools import lru_cache

from glasnost.core.address import Stage

_Range = ipaddress.IPv4Network | ipaddress.IPv6Network


def spares(entries: tuple[str, ...], origin: Stage) -> bool:
    """Whether one of the entries covers what an origin stage connects to.

    >>> entries = ("10.0.0.0/8", ".lab.example.org")
    >>> [spares(entries, Stage.parse(text)) for text in (
    ...     "ip4:10.1.2.3:80", "dns:a.lab.example.org:80", "ip4:11.0.0.1:80")]
    [True, True, False]
    """
    if not entries or origin.kind not in ("ip4", "ip6", "dns"):
        return False
    host = origin.args[0]
    if origin.kind == "dns":
        names = [_read(one) for one in entries]
        return any(f".{host}".endswith(f".{one}") for one in names if isinstance(one, str))
    address = ipaddress.ip_address(host)
    ranges = [_read(one) for one in entries]
    return any(not isinstance(one, str) and address in one for one in ranges)


@lru_cache(maxsize=1024)
def _read(entry: str) -> _Range | str:
    """A range, or else a name without the ``*`` and ``.`` that may stand before it."""
    try:
        return ipaddress.ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        return entry.lower().lstrip("*").strip(".")
