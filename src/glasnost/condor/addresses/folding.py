"""An address unfolds to the routes of v1, and routes fold to an address.

HTCondor calls an address invalid if it does not unfold, so `glasnost.condor.parse` does this to
everything it reads. A route to a broker is the broker's own route with the contact's id on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from glasnost.condor.addresses.endpoint import IpPort
from glasnost.condor.addresses.escaping import escape
from glasnost.condor.addresses.limits import MAX_DEPTH, MAX_V1_ROUTES
from glasnost.condor.addresses.original import parse_original
from glasnost.condor.addresses.sinful import ALIAS, CCBID, NO_UDP, PRIV_ADDR, PRIV_NET, SOCK, Sinful
from glasnost.condor.addresses.sinful_v1 import INTERNET, PRIMARY, RouteV1
from glasnost.errors import SinfulError


class BadField(ValueError):
    """One field of an address says something impossible."""

    def __init__(self, field: str, expected: str) -> None:
        super().__init__(field, expected)
        self.field = field
        self.expected = expected


def unfold(sinful: Sinful, depth: int = 1) -> tuple[RouteV1, ...]:
    """The routes of an address, as HTCondor orders them, or `BadField`."""
    alias, spid, no_udp = sinful.param(ALIAS), sinful.sock, sinful.no_udp
    routes: list[RouteV1] = []
    for route in _unstamped(sinful, depth):
        if len(routes) == MAX_V1_ROUTES:
            raise BadField(CCBID, f"an address of at most {MAX_V1_ROUTES} routes")
        # What the address says of itself holds for each route, even if a broker says otherwise.
        routes.append(
            replace(
                route,
                alias=alias or route.alias,
                spid=spid or route.spid,
                no_udp=no_udp or route.no_udp,
            )
        )
    return tuple(routes)


def private_endpoint(sinful: Sinful) -> tuple[IpPort, int] | None:
    """What PrivAddr says: the address, and its port as it is written there; None if nothing."""
    text = sinful.param(PRIV_ADDR)
    if text is None:
        return None
    expected = "PrivAddr as an IP address with a port"
    try:
        private = parse_original(text)
    except SinfulError as error:
        raise BadField(PRIV_ADDR, f"{expected} (in {text!r}: {error})") from None
    if private.endpoint is None:
        raise BadField(PRIV_ADDR, f"{expected}, and {text!r} is none")
    return private.endpoint, private.port_number or 0


def brokers(sinful: Sinful) -> Iterator[tuple[str, Sinful, str]]:
    """The contacts of an address: the text, the broker's address, the id there."""
    for contact in sinful.contacts:
        broker, hash_sign, number = contact.partition("#")
        if not hash_sign:
            raise BadField(CCBID, f'"#" and an id in the contact {contact!r}')
        try:
            yield contact, parse_original(f"<{broker}>"), number
        except SinfulError:
            raise BadField(CCBID, f"a broker's address in front of the # of {contact!r}") from None


def _unstamped(sinful: Sinful, depth: int) -> Iterator[RouteV1]:
    port = sinful.port_number
    yield RouteV1(PRIMARY, sinful.host, -1 if port is None else port)
    public = list(_public(sinful))
    network = sinful.param(PRIV_NET)
    if network is not None:
        private = private_endpoint(sinful)
        if private is None:
            yield from (replace(route, network=network) for route in public)
        else:
            yield RouteV1(private[0].protocol, private[0].ip, private[1], network)
    if depth > MAX_DEPTH:
        raise BadField(CCBID, f"at most {MAX_DEPTH} addresses within each other")
    for index, (contact, broker, number) in enumerate(brokers(sinful)):
        try:
            routes = unfold(broker, depth + 1)
        except BadField as error:
            raise BadField(CCBID, f"{error.expected} (in the broker of {contact!r})") from None
        for route in routes:
            yield replace(route, spid="", ccbid=number, ccbspid=route.spid, broker=index)
    yield from public


def _public(sinful: Sinful) -> Iterator[RouteV1]:
    for addr in sinful.addrs:
        yield RouteV1(addr.protocol, addr.ip, addr.port)
    # HTCondor looks for the address in the primary one only where nothing else is said.
    if not sinful.params and (alone := sinful.endpoint) is not None:
        yield RouteV1(alone.protocol, alone.ip, sinful.port_number or 0)


def fold(routes: Sequence[RouteV1]) -> Sinful:
    """The address that these routes are of, or `BadField`, whose field is an attribute of v1."""
    alias = _only(sorted({route.alias for route in routes if route.alias}), "alias")
    network = _only(
        sorted({r.network for r in routes if r.network not in ("", INTERNET)}), "private network"
    )
    # Whether there is an id at all is up to the first route.
    spid = routes[0].spid
    if spid and any(route.spid != spid for route in routes):
        raise BadField("spid", "one and the same shared port id on all routes")
    host, port, addrs = "", None, []
    own = [route for route in routes if not route.ccbid]
    for route in own:
        if route.protocol == PRIMARY:
            host, port = route.host, str(route.port)
        elif route.network == INTERNET:
            addrs.append(_address(route))
    params = {PRIV_NET: network, ALIAS: alias, SOCK: spid}
    params[PRIV_ADDR] = _private([route for route in own if route.network != INTERNET], addrs, spid)
    params[CCBID] = " ".join(_contacts([route for route in routes if route.ccbid]))
    params = {key: value for key, value in params.items() if value}
    if any(route.no_udp for route in routes):
        params[NO_UDP] = ""
    return Sinful.of(host, port, params, addrs)


def _only(values: list[str], what: str) -> str:
    if len(values) > 1:
        raise BadField(what, f"one and the same {what} on all routes")
    return values[0] if values else ""


def _address(route: RouteV1) -> IpPort:
    """HTCondor takes any host, and any number for a port; `IpPort` shows what becomes of them."""
    port = route.port % 65536
    return IpPort.of(route.host, port) or IpPort("", port)


def _private(routes: Sequence[RouteV1], addrs: Sequence[IpPort], spid: str) -> str:
    private = [addr for addr in map(_address, routes) if addr not in addrs]
    if len(private) > 1:
        raise BadField("n", "at most one private address that is not among the others")
    query = f"?sock={escape(spid)}" if spid else ""
    return f"<{private[0]}{query}>" if private else ""


def _contacts(routes: Sequence[RouteV1]) -> Iterator[str]:
    groups: dict[int, list[RouteV1]] = {}
    for route in routes:
        assert route.broker is not None, "read_v1 refuses a ccbid without it"
        groups.setdefault(route.broker, []).append(route)
    if sorted(groups) != list(range(len(groups))):  # this is one of those that crash HTCondor
        raise BadField("brokerIndex", "brokers numbered 0, 1, ...")
    for index in range(len(groups)):
        group = [replace(r, ccbid="", ccbspid="", spid=r.ccbspid) for r in groups[index]]
        first = group[0]
        # HTCondor writes the first address of a broker twice, and so do we.
        again = [first] if first.protocol != PRIMARY and first.network == INTERNET else []
        yield f"{str(fold([*again, *group]))[1:-1]}#{groups[index][-1].ccbid}"
