"""HTCondor's address of a daemon as a value, and its original notation in writing.

Knows what the fields are called, and not what they lead to; `original` reads this notation,
`sinful_v1` the other, `reading` both.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from glasnost.condor.addresses.endpoint import IpPort
from glasnost.condor.addresses.escaping import as_htcondor_escapes, escape

SOCK: Final = "sock"
CCBID: Final = "CCBID"
PRIV_ADDR: Final = "PrivAddr"
PRIV_NET: Final = "PrivNet"
NO_UDP: Final = "noUDP"
ALIAS: Final = "alias"
ADDRS: Final = "addrs"

#: The parameters that mean something to HTCondor, with what they mean.
MEANINGS: Final = {
    ADDRS: "all addresses of the daemon",
    ALIAS: "the host name for TLS checks and for display",
    CCBID: "where brokers know the daemon, which cannot be dialled",
    NO_UDP: "no datagrams here",
    PRIV_ADDR: "its address inside its private network",
    PRIV_NET: "the name of its private network",
    SOCK: "the endpoint to ask for at a shared port",
}

#: What separates the contacts of several brokers.
_BETWEEN_CONTACTS: Final = re.compile(r"[ \t\r\n,]+")


@dataclass(frozen=True, slots=True, repr=False)
class Sinful:
    """The address of one daemon. Build it by `Sinful.of`, read it by `glasnost.condor.parse`.

    ``host`` is empty and ``port`` None where the text has none; a port is text, so that it prints
    as it came. ``params`` are in the order in which they print. ``addrs`` is what the parameter of
    that name says.
    """

    host: str = ""
    port: str | None = None
    params: tuple[tuple[str, str], ...] = ()
    addrs: tuple[IpPort, ...] = ()

    @classmethod
    def of(
        cls,
        host: str = "",
        port: str | None = None,
        params: dict[str, str] | None = None,
        addrs: Iterable[IpPort] = (),
    ) -> Sinful:
        """Put one together; the parameter ``addrs`` is made from the addresses, if there are any.

        >>> str(Sinful.of("::1", "9618", {"sock": "a b"}, [IpPort("::1", 9618, True)]))
        '<[::1]:9618?addrs=[--1]-9618&sock=a%20b>'
        """
        addrs = tuple(addrs)
        # HTCondor separates from what stands there already, so an address that is none (and empty)
        # leaves no trace in front, and a "+" behind.
        made = {ADDRS: "+".join(addr.ccb_safe for addr in addrs).lstrip("+")} if addrs else {}
        return cls(host, port, in_order(made | (params or {})), addrs)

    @property
    def port_number(self) -> int | None:
        """The port as a number. HTCondor does not care whether there is such a port."""
        return int(self.port) if self.port else None

    @property
    def endpoint(self) -> IpPort | None:
        """Host and port, if they are an IP literal and a port (v1 may say -1)."""
        port = self.port_number
        return IpPort.of(self.host, port) if port is not None and port >= 0 else None

    @property
    def sock(self) -> str:
        """The shared port id, empty if there is none."""
        return self.param(SOCK) or ""

    @property
    def contacts(self) -> tuple[str, ...]:
        """The contacts at brokers, each ``BROKER#ID``."""
        return tuple(filter(None, _BETWEEN_CONTACTS.split(self.param(CCBID) or "")))

    @property
    def no_udp(self) -> bool:
        """Whether datagrams are unwelcome; the value does not count."""
        return self.param(NO_UDP) is not None

    def param(self, key: str) -> str | None:
        """The value of a parameter, None if there is none of that name."""
        value = next((value for name, value in self.params if name == key), None)
        return None if value is None else value.partition("\0")[0]

    def with_params(self, **changes: str | None) -> Sinful:
        """The same with other parameters; None takes one out."""
        params = dict(self.params) | changes
        kept = {key: value for key, value in params.items() if value is not None}
        addrs = self.addrs if ADDRS in kept else ()
        return Sinful(self.host, self.port, in_order(kept), addrs)

    def as_htcondor_prints(self) -> str:
        """``str()``, but with what HTCondor makes of bytes that are not ASCII: ``%ff``."""
        return f"<{self._place()}{as_htcondor_escapes(self._query())}>"

    def __str__(self) -> str:
        return f"<{self._place()}{self._query()}>"

    def __repr__(self) -> str:
        return f"<Sinful {str(self)[1:-1]!r}>"

    def _place(self) -> str:
        bare = ":" in self.host and "[" not in self.host
        host = f"[{self.host}]" if bare else self.host
        return host if self.port is None else f"{host}:{self.port}"

    def _query(self) -> str:
        words = [
            f"{escape(key)}={escape(value.partition(chr(0))[0])}" if value else escape(key)
            for key, value in self.params
        ]
        return "?" + "&".join(words) if words else ""


def in_order(params: dict[str, str]) -> tuple[tuple[str, str], ...]:
    """The parameters in byte order of their keys, as they print."""
    return tuple(
        sorted(params.items(), key=lambda item: item[0].encode("utf-8", "surrogateescape"))
    )
