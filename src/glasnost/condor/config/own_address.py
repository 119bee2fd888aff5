"""Which of the host's addresses HTCondor takes for its own: ``$(IP_ADDRESS)`` and its kin."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from glasnost.condor.config.protection import listed, truth
from glasnost.condor.config.table import Table

_Ip = ipaddress.IPv4Address | ipaddress.IPv6Address
#: What HTCondor calls private; Python means more by it.
_PRIVATE: Final = [
    ipaddress.ip_network(text)
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
]


@dataclass(frozen=True, slots=True)
class Device:
    """One address of one interface."""

    name: str
    address: _Ip
    is_up: bool = True


def own_addresses(table: Table, devices: Iterable[Device]) -> dict[str, str]:
    """The names that HTCondor sets by the host's addresses and ``NETWORK_INTERFACE``."""
    ip4, ip6, best = _chosen(table, devices)
    main = ip4 or best
    return {
        "ip_address": str(main or ""),
        "ip_address_is_ipv6": "true" if main is not None and main.version == 6 else "false",
        "ipv4_address": str(ip4 or ""),
        "ipv6_address": str(ip6 or ""),
    }


def _chosen(table: Table, devices: Iterable[Device]) -> tuple[_Ip | None, _Ip | None, _Ip | None]:
    wanted = table.value("NETWORK_INTERFACE").strip()
    if literal := _literal(wanted):
        return (literal, None, literal) if literal.version == 4 else (None, literal, literal)
    patterns = [_pattern(word) for word in listed(wanted)]
    off = {version for version in (4, 6) if truth(table.value(f"ENABLE_IPV{version}")) is False}
    fitting = [
        device
        for device in devices
        if device.address.version not in off
        and any(
            one.fullmatch(device.name) or one.fullmatch(str(device.address)) for one in patterns
        )
    ]
    return _best(fitting, {4}), _best(fitting, {6}), _best(fitting, {4, 6})


def _best(devices: list[Device], versions: set[int]) -> _Ip | None:
    """The best address of some versions; of equal ones the first, which `max` keeps."""
    of = [device for device in devices if device.address.version in versions]
    best = max(of, key=_rank, default=None)
    return None if best is None else best.address


def _literal(text: str) -> _Ip | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return None if address.version == 6 and address.is_link_local else address


def _pattern(word: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, word.split("*"))), re.IGNORECASE)


def _rank(device: Device) -> int:
    address = device.address
    if address.is_link_local:
        rank = 3 if address.version == 4 else 1
    elif address.is_loopback:
        rank = 2
    else:
        rank = 4 if any(address in network for network in _PRIVATE) else 5
    return 10 * rank if device.is_up else rank
