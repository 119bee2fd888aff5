"""From a Glasnost address to HTCondor's: what `to_address` makes, and what comes near it.

A Sinful has one shared port id, one private network and, outside it, either addresses that
everybody dials or brokers that everybody asks. The first route of each sort decides; what does not
fit is reported with the number of its route.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from glasnost.condor.addresses.conversion import Conversion, Missing
from glasnost.condor.addresses.endpoint import IpPort
from glasnost.condor.addresses.escaping import escape
from glasnost.condor.addresses.limits import MAX_TEXT
from glasnost.condor.addresses.reading import parse
from glasnost.condor.addresses.sinful import CCBID, NO_UDP, PRIV_ADDR, PRIV_NET, SOCK, Sinful
from glasnost.condor.addresses.to_address import CCB_STAGE, DNS_STAGE, SOCK_STAGE
from glasnost.core.address import PUBLIC, Address, Route, Stage
from glasnost.errors import SinfulError


@dataclass(frozen=True, slots=True)
class _Way:
    """One route in HTCondor's words."""

    number: int
    network: str
    host: str
    port: str
    literal: IpPort | None
    first_sock: str  # asked for where the route begins; a broker's, if there are contact ids
    ids: tuple[str, ...]
    last_sock: str  # asked for behind the brokers

    @property
    def sock(self) -> str:
        return self.last_sock if self.ids else self.first_sock

    @property
    def contact(self) -> str:
        """How a contact of this broker is written."""
        broker = Sinful.of(
            self.host,
            self.port,
            {SOCK: self.first_sock} if self.first_sock else {},
        )
        return f"{str(broker)[1:-1]}#{'#'.join(self.ids)}"


def from_address(address: Address) -> Conversion[Sinful | None]:
    """HTCondor's address of the same endpoint; None if none of its routes can be said."""
    missing: list[Missing] = []
    read = [_way(number, route, missing) for number, route in enumerate(address, 1)]
    known = _of_one_network(filter(None, read), missing)
    ways = list(_of_one_sock(list(known), missing))
    if not ways:
        return Conversion(None, tuple(missing))
    brokered = [way for way in ways if way.ids]
    public = [way for way in ways if not way.ids and way.network == PUBLIC]
    private = [way for way in ways if way.network != PUBLIC]
    # Glasnost has no datagrams, so nobody can have said that the endpoint takes them.
    params = {NO_UDP: ""}
    if ways[0].sock:
        params[SOCK] = ways[0].sock
    if brokered:
        params[CCBID] = " ".join(way.contact for way in brokered)
        for way in public:
            why = "HTCondor asks the broker wherever there is one, and does not dial this"
            missing.append(Missing(f"route {way.number}", why))
    if private:
        own = public or (private if brokered else [])
        if [(w.host, w.port) for w in private] == [(w.host, w.port) for w in own]:
            params[PRIV_NET] = private[0].network  # alone, it says so of all the others
        else:
            params |= _private_address(private, missing)
    here = public or (private if brokered and PRIV_ADDR not in params else [])
    if not (here or brokered or PRIV_ADDR in params):  # host names on a private network
        return Conversion(None, tuple(missing))
    sinful = _put_together(here, params, missing)
    if len(str(sinful)) > MAX_TEXT:
        raise SinfulError(str(sinful), MAX_TEXT + 1, f"an end within {MAX_TEXT} characters")
    return Conversion(sinful, tuple(missing))


def _put_together(here: Sequence[_Way], params: dict[str, str], missing: list[Missing]) -> Sinful:
    """One address from the ways that are dialled as they are, and all other parameters."""
    literals = [way.literal for way in here if way.literal is not None]
    named = [way for way in here if way.literal is None]
    for way in named[1:]:
        missing.append(Missing(f"route {way.number}", "HTCondor's addresses have one host name"))
    host, port = "", None
    if named:
        host, port = named[0].host, named[0].port
    elif literals:
        # As HTCondor chooses its own primary address: the IPv4 one if there is one.
        first = min(literals, key=lambda addr: addr.six)
        host, port = first.ip, str(first.port)
    if named and literals and here[0] is named[0]:
        why = "HTCondor dials all IP addresses before the host name"
        missing.append(Missing(f"route {named[0].number}", why))
    return Sinful.of(host, port, params, literals)


def _private_address(private: Sequence[_Way], missing: list[Missing]) -> dict[str, str]:
    """PrivNet and PrivAddr for the first of the ways that has an IP address."""
    best = next((way for way in private if way.literal is not None), None)
    for way in private:
        if way is not best:
            why = "HTCondor's addresses have one private address, and it is an IP address"
            missing.append(Missing(f"route {way.number}", why))
    if best is None:
        return {}
    query = f"?sock={escape(best.sock)}" if best.sock else ""
    return {PRIV_NET: best.network, PRIV_ADDR: f"<{best.literal}{query}>"}


def _of_one_sock(ways: Sequence[_Way], missing: list[Missing]) -> Iterator[_Way]:
    for way in ways:
        if way.sock == ways[0].sock:
            yield way
        else:
            why = f"HTCondor's addresses have one shared port id, here {ways[0].sock!r}"
            missing.append(Missing(f"route {way.number}", f"{why} and not {way.sock!r}"))


def _of_one_network(ways: Iterable[_Way], missing: list[Missing]) -> Iterator[_Way]:
    chosen = None
    for way in ways:
        if way.network == PUBLIC:
            yield way
        elif way.network.startswith("host."):
            missing.append(Missing(f"route {way.number}", "HTCondor has no name for one machine"))
        elif way.network == (chosen := chosen or way.network):
            yield way
        else:
            why = f"HTCondor's addresses have one private network, here {chosen}"
            missing.append(Missing(f"route {way.number}", why))


def _way(number: int, route: Route, missing: list[Missing]) -> _Way | None:
    field = f"route {number}"
    stages = list(route.stages)
    origin = stages.pop(0)
    if origin.kind not in ("ip4", "ip6", DNS_STAGE) or len(origin.args) != 2:
        missing.append(Missing(field, f"HTCondor's addresses do not begin with {origin}"))
        return None
    first = _taken(stages, SOCK_STAGE, 1)
    ids = _taken(stages, CCB_STAGE, len(stages))
    last = _taken(stages, SOCK_STAGE, 1) if ids else []
    if stages:
        missing.append(Missing(field, f"HTCondor's addresses have no {stages[0]} there"))
        return None
    for key in [f"{stage.kind}:{key}" for stage in route.stages for key, _ in stage.options]:
        missing.append(Missing(field, f"HTCondor's addresses have no option {key}"))
    if ids and route.network != PUBLIC:
        why = f"HTCondor's contacts cannot say that the broker is on {route.network}"
        missing.append(Missing(field, why))
        return None
    host, port = origin.args
    literal = None if origin.kind == DNS_STAGE else IpPort.of(host, int(port))
    way = _Way(number, route.network, host, port, literal, "".join(first), ids, "".join(last))
    if (literal is None and origin.kind != DNS_STAGE) or not _is_readable(way):
        missing.append(Missing(field, "HTCondor would not read it as it is meant"))
        return None
    return way


def _is_readable(way: _Way) -> bool:
    """Whether nothing in a route means something else there: zones, odd names, IPv4 in IPv6."""
    params = {SOCK: way.sock} if way.sock else {}
    if way.ids:
        params[CCBID] = way.contact
    built = Sinful.of(way.host, way.port, params, [way.literal] if way.literal else ())
    try:
        same = parse(str(built)) == built
    except SinfulError:
        return False
    contacts = (way.contact,) if way.ids else ()
    return same and built.contacts == contacts and not any("#" in number for number in way.ids)


def _taken(stages: list[Stage], kind: str, most: int) -> tuple[str, ...]:
    """Take stages of one kind from the front; their arguments."""
    taken: list[str] = []
    while stages and len(taken) < most and stages[0].kind == kind and len(stages[0].args) == 1:
        taken.append(stages.pop(0).args[0])
    return tuple(taken)
