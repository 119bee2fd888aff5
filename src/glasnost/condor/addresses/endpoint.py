"""An IP address and a port, as HTCondor spells them and as it rates them.

Three spellings: ``[::1]:9618``, ``[--1]-9618`` (which may stand within CCBID, where ":" means
something else) and ``<[::1]:9618>``. IP literals are what C's ``inet_pton`` reads: no zones, no
leading zeros.
"""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final

from glasnost.condor.addresses.limits import MAX_PORT_DIGITS

_PORT: Final = re.compile(r"(?:[ \t\n\v\f\r]*+[0-9]++)?")


def _networks(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(map(ip_network, text.split()))


_LINK_LOCAL_6: Final = _networks("fe80::/10")
_LOOPBACK: Final = _networks("127.0.0.0/8 ::1/128")
_LINK_LOCAL_4: Final = _networks("169.254.0.0/16")
_PRIVATE: Final = _networks("10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 fc00::/7")
#: From the worst up; a client dials the best that it can. All others are 5.
_RATED: Final = ((1, _LINK_LOCAL_6), (2, _LOOPBACK), (3, _LINK_LOCAL_4), (4, _PRIVATE))


@dataclass(frozen=True, slots=True)
class IpPort:
    """One address of a daemon. ``ip`` is empty where HTCondor read one that is no address."""

    ip: str
    port: int
    six: bool = False

    @classmethod
    def of(cls, host: str, port: int) -> IpPort | None:
        """An IP literal, in brackets or not, with a port; None if it is no literal.

        >>> IpPort.of("2001:DB8::1", 5)
        IpPort(ip='2001:db8::1', port=5, six=True)
        """
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
        for family in (socket.AF_INET, socket.AF_INET6):
            try:
                ip = socket.inet_ntop(family, socket.inet_pton(family, host))
            except (OSError, ValueError):
                continue
            # HTCondor shows an IPv4 address inside an IPv6 one without what is around it.
            return cls(ip.removeprefix("::ffff:") if "." in ip else ip, port, ":" in host)
        return None

    @classmethod
    def parse(cls, text: str) -> IpPort | None:
        """Read ``ip:port``; the last colon splits.

        >>> str(IpPort.parse("::1:9618"))
        '[::1]:9618'
        """
        host, _, port = text.rpartition(":")
        number = _port(port)
        return None if number is None else cls.of(host, number)

    @classmethod
    def parse_ccb_safe(cls, text: str) -> IpPort | None:
        """Read one item of ``addrs``.

        >>> str(IpPort.parse_ccb_safe("[2001-db8--1]-9618"))
        '[2001:db8::1]:9618'
        """
        host, dash, port = text.rpartition("-")
        number = _port(port)
        return None if number is None or not dash else cls.of(host.replace("-", ":"), number)

    @property
    def protocol(self) -> str:
        """As v1 names it. The last is what HTCondor writes for an address that is none."""
        if not self.ip:
            return "invalid-min"
        return "IPv6" if self.six else "IPv4"

    @property
    def ccb_safe(self) -> str:
        """How it stands in ``addrs``; empty if it is no address."""
        ip = self.ip.replace(":", "-")
        return f"{self._bracketed(ip)}-{self.port}" if ip else ""

    @property
    def sinful(self) -> str:
        """How it stands alone; empty if nobody could dial it (``0.0.0.0`` and ``::``)."""
        return "" if not self.ip or ip_address(self.ip).is_unspecified else f"<{self}>"

    @property
    def desirability(self) -> int:
        """From 1 (IPv6 on the link) to 5 (everything that is not local in some way)."""
        ip = ip_address(self.ip)
        return next((rate for rate, nets in _RATED if any(ip in net for net in nets)), 5)

    def __str__(self) -> str:
        return f"{self._bracketed(self.ip)}:{self.port}"

    def _bracketed(self, ip: str) -> str:
        return f"[{ip}]" if self.six else ip


def _port(text: str) -> int | None:
    """A port as ``addrs`` has it: empty is 0, and what is too large wraps round."""
    if len(text) > MAX_PORT_DIGITS or not _PORT.fullmatch(text):
        return None
    return int(text or "0") % 65536
