"""What each field of an address says, for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from glasnost.condor.addresses.dial import Choice, choose
from glasnost.condor.addresses.endpoint import IpPort
from glasnost.condor.addresses.folding import brokers
from glasnost.condor.addresses.sinful import ADDRS, CCBID, MEANINGS, Sinful

#: What the ratings of `IpPort.desirability` mean; a client dials the highest it can.
_RATINGS = {
    5: "an address like any on the Internet",
    4: "a private address",
    3: "a link-local address",
    2: "this machine's own",
    1: "a link-local address",
}


class Line(NamedTuple):
    """One field, what it holds, and what that means."""

    field: str
    value: str
    meaning: str


def explain(sinful: Sinful) -> Iterator[Line]:
    """Every field, in the order in which they print, and what HTCondor makes of them."""
    yield Line("host", sinful.host or "-", _host(sinful))
    yield Line("port", sinful.port or "-", "the primary port" if sinful.port else "none")
    for key, value in sinful.params:
        text = value.partition("\0")[0] or "-"
        if key == CCBID:
            yield from _contacts(sinful)
        elif key == ADDRS:
            yield from (Line(ADDRS, str(addr), _address(addr)) for addr in sinful.addrs)
        else:
            yield Line(key, text, MEANINGS.get(key, "unknown to HTCondor, and kept"))
    yield Line("dialled", *_dialled(sinful))


def _host(sinful: Sinful) -> str:
    if not sinful.host:
        return "no primary address"
    addr = IpPort.of(sinful.host, 0)
    return f"the primary address, {_address(addr)}" if addr else "a name, which clients look up"


def _address(addr: IpPort) -> str:
    return f"{addr.protocol}, {_RATINGS[addr.desirability]}" if addr.ip else "no address"


def _contacts(sinful: Sinful) -> Iterator[Line]:
    for contact, broker, number in brokers(sinful):
        ids = " and then ".join(number.split("#")) or "nothing"
        sock = f" at its shared port's {broker.sock}" if broker.sock else ""
        where = str(broker.with_params(sock=None))
        yield Line(CCBID, contact, f"ask the broker {where}{sock} for {ids}")


def _dialled(sinful: Sinful) -> tuple[str, str]:
    """What a client on no private network does that has both protocols and default settings."""
    if sinful.contacts:
        return sinful.contacts[0].partition("#")[0], "a broker, as there is a CCBID"
    chosen = choose(sinful, Choice())
    if chosen is not None:
        return f"{chosen.endpoint}", "the best of addrs, by a client with both protocols"
    if sinful.host and sinful.port:
        return str(Sinful(sinful.host, sinful.port))[1:-1], "the primary address, as it stands"
    return "-", "nothing, except perhaps within its private network"
