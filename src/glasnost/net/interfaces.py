"""What this host has: its addresses, its default routes, and a name for itself as a network."""

from __future__ import annotations

import hashlib
import ipaddress
import os
import socket
from dataclasses import dataclass
from pathlib import Path

import psutil

_UP, _REJECT = 0x1, 0x200  # RTF_UP, RTF_REJECT of <linux/route.h>


@dataclass(frozen=True, slots=True)
class InterfaceAddress:
    """One address of one interface: ``protocol`` ip4 or ip6, ``address`` a literal."""

    interface: str
    protocol: str
    address: str


@dataclass(frozen=True, slots=True)
class HostFacts:
    """Everything that planning needs to know about a host, read at one moment."""

    host_id: str
    addresses: tuple[InterfaceAddress, ...]
    default_routes: frozenset[str]


def read_host() -> HostFacts:
    """The facts of the network namespace that the calling thread is in.

    Loopback and link-local addresses are left out: nobody else can use them as they are.
    """
    return HostFacts(_host_id(), tuple(_addresses()), frozenset(_default_routes()))


def _addresses() -> list[InterfaceAddress]:
    families = {socket.AF_INET: "ip4", socket.AF_INET6: "ip6"}
    states = psutil.net_if_stats()
    found = []
    for interface, entries in sorted(psutil.net_if_addrs().items()):
        if interface in states and not states[interface].isup:
            continue
        for entry in entries:
            protocol = families.get(entry.family)
            if protocol is None:
                continue
            address = ipaddress.ip_address(entry.address.partition("%")[0])
            if not (address.is_loopback or address.is_link_local):
                found.append(InterfaceAddress(interface, protocol, str(address)))
    return found


def _default_routes() -> list[str]:
    found = []
    for line in _lines("/proc/thread-self/net/route")[1:]:
        fields = line.split()
        if fields[1] == "00000000" and fields[7] == "00000000" and _usable(int(fields[3], 16)):
            found.append("ip4")
    for line in _lines("/proc/thread-self/net/ipv6_route"):
        fields = line.split()
        is_default = fields[0] == "0" * 32 and fields[1] == "00"
        if is_default and fields[9] != "lo" and _usable(int(fields[8], 16)):
            found.append("ip6")
    return found


def _usable(flags: int) -> bool:
    return bool(flags & _UP) and not flags & _REJECT


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def _host_id() -> str:
    """Names one kernel's one network namespace: there, and nowhere else, packets to loopback and
    unix sockets by path lead to the same place. It says nothing that could be traced back."""
    parts = [b"glasnost host"]
    for path in ("/etc/machine-id", "/proc/sys/kernel/random/boot_id"):
        parts.append("".join(_lines(path)[:1]).encode())
    try:
        parts.append(str(os.stat("/proc/thread-self/ns/net").st_ino).encode())
    except OSError:
        parts.append(socket.gethostname().encode())
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:12]
