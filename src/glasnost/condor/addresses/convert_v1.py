"""Converts between HTCondor's two notations, and reports what the other one cannot say.

HTCondor writes v1 without looking whether it can read it again. Here a value that v1 has no way to
write is left out and reported, so that what is written is always read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from glasnost.condor.addresses.conversion import Conversion, Missing
from glasnost.condor.addresses.endpoint import IpPort
from glasnost.condor.addresses.folding import brokers, private_endpoint, unfold
from glasnost.condor.addresses.limits import MAX_V1_NAME, MAX_V1_TEXT
from glasnost.condor.addresses.original import parse_original
from glasnost.condor.addresses.reading import parse
from glasnost.condor.addresses.sinful import (
    ADDRS,
    ALIAS,
    CCBID,
    MEANINGS,
    NO_UDP,
    PRIV_ADDR,
    PRIV_NET,
    SOCK,
    Sinful,
)
from glasnost.condor.addresses.sinful_v1 import (
    CONTACT_ID,
    INTERNET,
    PRIMARY,
    RouteV1,
    read_v1,
    write_v1,
)
from glasnost.errors import SinfulError

#: What v1 reads as one word. A quote may stand in it, a bracket ends the route.
_WORD: Final = re.compile(r"[^\s\]]*+", re.ASCII)
_UNFIT: Final = "v1 has no way to write blanks and brackets in it"


def to_v1(sinful: Sinful) -> Conversion[str]:
    """Write v1 as HTCondor does, except for what nobody could read; a `SinfulError` if too long."""
    fit, missing = _fit(sinful)
    text = write_v1(unfold(fit))
    if len(text) > MAX_V1_TEXT:
        raise SinfulError(str(sinful), 1, f"an address with a v1 form within {MAX_V1_TEXT}")
    return Conversion(text, (*missing, *_unsaid(fit)))


def from_v1(text: str) -> Conversion[Sinful]:
    """Read v1 as HTCondor does, and report the routes of which it keeps less than was written."""
    sinful = parse(text)
    kept = unfold(sinful)
    missing = []
    for number, route in enumerate(read_v1(text), 1):
        if not any(_covers(other, _canonical(route)) for other in kept):
            why = f"not all of it is in the address that HTCondor reads: {route}"
            missing.append(Missing(f"route {number}", why))
        for name in route.others:
            missing.append(Missing(f"route {number}", f"the attribute {name!r} is unknown"))
    return Conversion(sinful, tuple(missing))


def _canonical(route: RouteV1) -> RouteV1:
    """The same route as `unfold` spells it."""
    literal = IpPort.of(route.host, route.port % 65536)
    if route.protocol == PRIMARY or literal is None:
        return route
    return replace(route, protocol=literal.protocol, host=literal.ip, port=literal.port)


def _covers(kept: RouteV1, route: RouteV1) -> bool:
    """Whether one route says all that another does; a broker's index is only an order."""
    return (
        (kept.host, kept.port, kept.network) == (route.host, route.port, route.network)
        and (kept.protocol, kept.ccbid) == (route.protocol, route.ccbid)
        and all(getattr(route, a) in ("", getattr(kept, a)) for a in ("alias", "spid", "ccbspid"))
        and (kept.no_udp or not route.no_udp)
    )


def _fit(sinful: Sinful) -> tuple[Sinful, list[Missing]]:
    """The part of an address that v1 can write, and what had to go."""
    missing = []
    host = sinful.host
    if not _is_name(host):
        missing.append(Missing("host", f"v1 takes {MAX_V1_NAME} characters, none of them blank"))
        host = ""
    drop: dict[str, str | None] = {}
    for key in (ALIAS, SOCK):
        if not _WORD.fullmatch(sinful.param(key) or ""):
            missing.append(Missing(key, _UNFIT))
            drop[key] = None
    network = sinful.param(PRIV_NET)
    if network is not None and (network in ("", INTERNET) or not _is_name(network)):
        missing.append(Missing(PRIV_NET, f"v1 has no way to name a network {network!r}"))
        drop[PRIV_NET] = None
    if sinful.contacts:
        contacts, lost = _fit_contacts(sinful, network if PRIV_NET not in drop else None)
        missing += lost
        drop[CCBID] = " ".join(contacts) or None
    changed = replace(sinful, host=host).with_params(**drop) if drop else replace(sinful, host=host)
    return changed, missing


def _is_name(text: str) -> bool:
    return bool(_WORD.fullmatch(text)) and len(text.encode("utf-8", "replace")) <= MAX_V1_NAME


def _fit_contacts(sinful: Sinful, network: str | None) -> tuple[list[str], list[Missing]]:
    contacts, missing = [], []
    aliases = {sinful.param(ALIAS)} - {None, ""}
    for contact, broker, number in brokers(sinful):
        name = f"{CCBID} {contact}"
        if not CONTACT_ID.fullmatch(number):
            missing.append(Missing(name, "v1 is read only if the id at the broker is one number"))
            continue
        fit, lost = _fit(broker)
        missing += [one.below(name) for one in (*lost, *_unsaid(fit))]
        alias, theirs = fit.param(ALIAS), fit.param(PRIV_NET)
        if theirs not in (None, network):
            missing.append(Missing(name, f"v1 has one private network, and this is in {theirs}"))
            fit = fit.with_params(PrivNet=None)
        if fit.contacts:
            missing.append(Missing(name, "v1 has no brokers of brokers"))
            fit = fit.with_params(CCBID=None)
        if alias and alias not in aliases:
            why = f"v1 has one alias for all routes, and this broker's is {alias}"
            missing.append(Missing(f"{name}: {ALIAS}", why))
            fit = fit.with_params(alias=None)
        if fit.no_udp and not sinful.no_udp:
            missing.append(Missing(f"{name}: {NO_UDP}", "v1 would say it of the daemon, too"))
            fit = fit.with_params(noUDP=None)
        # The first # ends the broker's address, so there may be none within.
        written = str(fit).replace("#", "%23")
        if not _reads_as(written, fit):  # a host in brackets may hold what ends one without
            missing.append(Missing(name, "its broker's host cannot be written without brackets"))
            continue
        contacts.append(f"{written[1:-1]}#{number}")
    return contacts, missing


def _reads_as(text: str, sinful: Sinful) -> bool:
    try:
        return parse_original(text) == sinful
    except SinfulError:
        return False


def _unsaid(sinful: Sinful) -> Iterator[Missing]:
    """What v1 does not say, although it could be written."""
    if sinful.port is not None and sinful.port != str(sinful.port_number):
        yield Missing("port", f"v1 has a number, and not how it is spelt ({sinful.port})")
    for key, value in sinful.params:
        if key not in MEANINGS:
            yield Missing(key, "HTCondor does not know it, and v1 has no place for it")
        elif not value.strip("\0") and key != NO_UDP:
            yield Missing(key, "is empty, and v1 does not say what is empty")
    if sinful.param(NO_UDP):
        yield Missing(NO_UDP, f"v1 says whether, and no value ({sinful.param(NO_UDP)})")
    # An IPv4 address within an IPv6 one is shown, and so read again, without what is around it.
    again = [IpPort.of(addr.ip, addr.port) or addr for addr in sinful.addrs]
    written = "+".join(addr.ccb_safe for addr in again)
    if sinful.addrs and sinful.param(ADDRS) != written:
        yield Missing(ADDRS, f"v1 has the addresses, and not how they are spelt: {written}")
    private = sinful.param(PRIV_ADDR)
    network = sinful.param(PRIV_NET)
    if private and not network:
        yield Missing(PRIV_ADDR, "v1 has no private address without the name of its network")
    elif private:
        yield from _unsaid_of_private(sinful, private)
    elif network and not sinful.addrs:
        yield Missing(PRIV_NET, "v1 names a network where it has an address, and there is none")


def _unsaid_of_private(sinful: Sinful, private: str) -> Iterator[Missing]:
    endpoint = private_endpoint(sinful)
    assert endpoint is not None, "there is a PrivAddr"
    sock = parse_original(private).sock
    if sock != sinful.sock:
        yield Missing(PRIV_ADDR, f"v1 gives it the shared port id of the others, not {sock!r}")
    if endpoint[0] in sinful.addrs:
        yield Missing(PRIV_ADDR, "is among addrs, and v1 is then read as if there were no PrivAddr")
    back = Sinful.of(endpoint[0].ip, str(endpoint[1] % 65536), {SOCK: sock} if sock else {})
    if private != str(back):
        yield Missing(PRIV_ADDR, f"v1 has address, port and shared port id: {back}")
