"""From HTCondor's address of a daemon to a Glasnost address.

What HTCondor's clients would dial, and nothing else, becomes a route:

- ``addrs``, and the primary address if it is none of them: ``ip4``, ``ip6`` or ``dns`` stages,
  then ``condor.sock`` for the shared port. A daemon with CCBID is never dialled there from the
  Internet, so then these are routes on its private network, or none.
- PrivAddr: one route on the network that PrivNet names.
- each contact: the routes to the broker, then ``condor.ccb`` with the id, then ``condor.sock``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from glasnost.condor.addresses.conversion import Conversion, Missing
from glasnost.condor.addresses.endpoint import IpPort
from glasnost.condor.addresses.folding import brokers
from glasnost.condor.addresses.original import parse_original
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
from glasnost.core.address import PUBLIC, Address, Route, Stage
from glasnost.core.address.limits import MAX_ROUTES
from glasnost.errors import AddressError

#: The stage kinds that stand for HTCondor's shared port and its broker.
SOCK_STAGE: Final = "condor.sock"
CCB_STAGE: Final = "condor.ccb"
DNS_STAGE: Final = "dns"

#: Network names that mean something to Glasnost that HTCondor's PrivNet does not mean.
_RESERVED: Final = re.compile(r"public|host\..*")
_NETWORK: Final = re.compile(r"[a-z0-9._-]+")


def to_address(sinful: Sinful) -> Conversion[Address | None]:
    """The routes to a daemon; None if nothing of it can be dialled."""
    missing: list[Missing] = []
    network = _network(sinful, missing)
    stages = list(_stages(sinful, missing))
    private = _private(sinful, network, stages, missing)
    if sinful.contacts:
        routes = [*private, *_through_brokers(sinful, missing)]
        if stages and (network is None or sinful.param(PRIV_ADDR) is not None):
            why = "HTCondor asks the broker and dials it only within PrivNet"
            missing.append(Missing(ADDRS if sinful.addrs else "host", why))
    else:
        routes = [*private, *_routes(PUBLIC, stages, sinful.sock, missing)]
    missing += _unsaid(sinful)
    routes = list(dict.fromkeys(routes))
    if len(routes) > MAX_ROUTES:
        lost = ", ".join(map(str, routes[MAX_ROUTES:]))
        missing.append(Missing("routes", f"an address has {MAX_ROUTES}; left out: {lost}"))
    if not routes:
        missing.append(Missing("host", "there is nothing that could be dialled"))
    return Conversion(Address(tuple(routes[:MAX_ROUTES])) if routes else None, tuple(missing))


def _network(sinful: Sinful, missing: list[Missing]) -> str | None:
    name = sinful.param(PRIV_NET)
    if not name:
        return None
    if _RESERVED.fullmatch(name):
        missing.append(Missing(PRIV_NET, f"{name!r} is no private network's name in an address"))
    elif not _NETWORK.fullmatch(name):
        why = f'{name!r} has other characters than a-z, 0-9, ".", "_" and "-"'
        missing.append(Missing(PRIV_NET, why))
    else:
        return name
    return None


def _stages(sinful: Sinful, missing: list[Missing]) -> Iterator[Stage]:
    """The origin stages of ``addrs`` and of the primary address, the preferred first."""
    for addr in sinful.addrs:
        yield from _literal(addr, ADDRS, missing)
    if not sinful.host or sinful.endpoint in sinful.addrs:
        return
    if sinful.endpoint is not None:
        yield from _literal(sinful.endpoint, "host", missing)
    else:
        words = (sinful.host, sinful.port or "")
        yield from _stage("ip6" if ":" in sinful.host else DNS_STAGE, words, "host", missing)


def _literal(addr: IpPort, field: str, missing: list[Missing]) -> Iterator[Stage]:
    kind = "ip6" if addr.six and ":" in addr.ip else "ip4"
    yield from _stage(kind, (addr.ip, str(addr.port)), field, missing)


def _stage(
    kind: str, words: tuple[str, str], field: str, missing: list[Missing]
) -> Iterator[Stage]:
    try:
        yield Stage(kind, words)
    except AddressError as error:
        why = f"a {kind} stage needs {error.expected}, and this is {words[0]!r}, port {words[1]!r}"
        missing.append(Missing(field, why))


def _private(
    sinful: Sinful, network: str | None, stages: list[Stage], missing: list[Missing]
) -> list[Route]:
    """The routes on the private network: PrivAddr, or without it the address itself."""
    text = sinful.param(PRIV_ADDR)
    if network is None:
        if text:
            missing.append(Missing(PRIV_ADDR, "there is no network that it could be on"))
        return []
    if text is None:
        return list(_routes(network, stages, sinful.sock, missing))
    private = parse_original(text)
    assert private.endpoint is not None, "an address with PrivNet has unfolded"
    for key, _ in private.params:
        if key not in (SOCK, NO_UDP):
            missing.append(Missing(f"{PRIV_ADDR}: {key}", "HTCondor does not look at it"))
    found = list(_literal(private.endpoint, PRIV_ADDR, missing))
    return list(_routes(network, found, private.sock or sinful.sock, missing))


def _routes(
    network: str, stages: list[Stage], sock: str, missing: list[Missing]
) -> Iterator[Route]:
    for stage in stages:
        yield from _then(Route(network, (stage,)), "", sock, SOCK, missing)


def _through_brokers(sinful: Sinful, missing: list[Missing]) -> Iterator[Route]:
    for contact, broker, number in brokers(sinful):
        field = f"{CCBID} {contact}"
        if not number.strip("#"):
            missing.append(Missing(field, "there is no id behind the #"))
            continue
        found = to_address(broker)
        missing += [one.below(field) for one in found.missing]
        if found.result is None:
            missing.append(Missing(field, "the broker has no address that can be dialled"))
        for route in found.result or ():
            yield from _then(route, number, sinful.sock, field, missing)


def _then(route: Route, ids: str, sock: str, field: str, missing: list[Missing]) -> Iterator[Route]:
    """The route, on through brokers (of brokers) and a shared port; nothing if it gets too long."""
    try:
        stages = [Stage(CCB_STAGE, (word,)) for word in ids.split("#") if word]
        yield route.then(*stages, *([Stage(SOCK_STAGE, (sock,))] if sock else []))
    except AddressError as error:
        missing.append(Missing(field, f"nothing goes on from {route}: {error} in {error.text}"))


def _unsaid(sinful: Sinful) -> Iterator[Missing]:
    """What has no place in an address. Datagrams have none, so noUDP says what is true anyway."""
    for key, value in sinful.params:
        if key == ALIAS and value:
            yield Missing(ALIAS, f"an address has no host name for TLS checks: {value}")
        elif key not in MEANINGS:
            yield Missing(key, "HTCondor does not know it, and an address has no place for it")
        elif not value.strip("\0") and key != NO_UDP:
            yield Missing(key, "is empty")
    if sinful.param(NO_UDP):
        yield Missing(NO_UDP, f"its value says nothing to HTCondor: {sinful.param(NO_UDP)}")
    private = sinful.param(PRIV_NET) and not sinful.param(PRIV_ADDR)
    if private and not sinful.addrs and not sinful.host:
        yield Missing(PRIV_NET, "nothing is said to be on it")
