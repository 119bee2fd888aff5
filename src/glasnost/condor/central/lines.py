"""The lines of configuration by which HTCondor's programs use this central manager: all of a pool,
one host or daemon at first, HTCondor's own daemons beside us; and everybody without us again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from glasnost.condor.addresses.endpoint import IpPort
from glasnost.condor.addresses.sinful import SOCK, Sinful
from glasnost.condor.central.role import ID
from glasnost.condor.security.methods.kinds import Method, methods_in
from glasnost.settings import CondorSetting

#: What is so where nobody says anything, by HTCondor's own table of defaults.
_DEFAULTS: Final = {
    "COLLECTOR_HOST": "$(CONDOR_HOST)",
    "CCB_ADDRESS": "",
    "SEC_CLIENT_AUTHENTICATION_METHODS": "$(SEC_DEFAULT_AUTHENTICATION_METHODS)",
    "AUTO_INCLUDE_SHARED_PORT_IN_DAEMON_LIST": "true",
    "SHARED_PORT_PORT": "9618",
    "DAEMON_SOCKET_DIR": "auto",
    "SHARED_PORT_DAEMON_AD_FILE": "$(LOCK)/shared_port_ad",
}


@dataclass(frozen=True)
class Part:
    """Lines that belong together: for whom, and what they set."""

    name: str
    #: Lines of a comment.
    says: tuple[str, ...]
    sets: Mapping[str, str]

    def text(self, in_force: bool = True) -> str:
        """As a file of HTCondor's configuration has it."""
        lines = [f"{name} = {value}".rstrip() for name, value in self.sets.items()]
        shown = lines if in_force else [f"#   {line}" for line in lines]
        return "\n".join([*(f"# {line}" for line in self.says), *shown])


def collector_host(places: Iterable[IpPort], default_id: str = ID) -> str:
    """What HTCondor's settings call us: an IP address and a port, or an address that has one of
    each protocol. No name: whether one resolves, where it is read, nobody here knows."""
    first: dict[bool, IpPort] = {}
    for place in places:
        first.setdefault(place.six, place)
    found = [first[six] for six in sorted(first)]
    if len(found) == 1 and default_id == ID:
        return str(found[0])
    return str(Sinful.of(found[0].ip, str(found[0].port), {SOCK: ID}, found))


def parts(own: CondorSetting, host: str, port: int, domain: str) -> tuple[Part, ...]:
    """Everything there is to say. ``host``: as `collector_host` has it; ``domain``: whose tokens
    are believed."""
    pool, behind, here = _pool(own, host, domain), _behind(host), _here(own, port)
    return pool, _first(host), behind, here, _back(*pool.sets, *behind.sets, *here.sets)


def in_one_file(found: Iterable[Part]) -> str:
    """Of several parts the first is in force, and the others are comments."""
    return "\n\n".join(part.text(in_force=not at) for at, part in enumerate(found))


def _pool(own: CondorSetting, host: str, domain: str) -> Part:
    methods = methods_in(" ".join(own.methods))
    usable = [one.known for one in methods if one is not Method.SSL or own.certificate]
    return Part(
        "pool",
        (
            "On every host of the pool, and for its tools: Glasnost is the collector.",
            "A host's daemons log in by a token, a file of mode 0600 in /etc/condor/tokens.d:",
            f"  glasnost condor token create --identity condor@{domain}",
            "The negotiator is still HTCondor's own.",
        ),
        {
            "COLLECTOR_HOST": host,
            "SEC_CLIENT_AUTHENTICATION_METHODS": ", ".join(usable),
        },
    )


def _first(host: str) -> Part:
    return Part(
        "first",
        (
            "At first, instead of that: a host's daemons advertise here and where they did before.",
            "One daemon alone: STARTD.COLLECTOR_HOST (SCHEDD., MASTER., ...).",
        ),
        {"COLLECTOR_HOST": f"$(COLLECTOR_HOST), {host}"},
    )


def _behind(host: str) -> Part:
    return Part(
        "behind",
        (
            "On hosts that cannot be dialled, besides: Glasnost is their CCB. Not on others, for",
            "who has a CCB is taken for such a host, and asks for relays in place of dial-backs.",
        ),
        {"CCB_ADDRESS": host},
    )


def _here(own: CondorSetting, port: int) -> Part:
    if not (own.sockets and own.port_ad):
        says = (
            "For HTCondor's daemons on this very host, besides: they have a condor_shared_port of",
            "their own at another port. (Ours takes its place where [condor] sets `sockets` and",
            "`port_ad`.) DAEMON_LIST is yours, without COLLECTOR.",
        )
        beside = {"DAEMON_LIST": "MASTER NEGOTIATOR", "SHARED_PORT_PORT": str(port % 65535 + 1)}
        return Part("here", says, beside)
    return Part(
        "here",
        (
            "For HTCondor's daemons on this very host, besides: our port is their shared port.",
            "Their master starts us, for only its children learn where they listen: by a script",
            "of one line, `exec glasnost up --condor`. DAEMON_LIST is yours, without COLLECTOR.",
        ),
        {
            "DAEMON_LIST": "MASTER GLASNOST NEGOTIATOR",
            "DC_DAEMON_LIST": "+GLASNOST",
            "GLASNOST": "/usr/local/sbin/glasnost-up",
            "AUTO_INCLUDE_SHARED_PORT_IN_DAEMON_LIST": "false",
            "USE_SHARED_PORT": "true",
            "SHARED_PORT_PORT": str(port),
            "DAEMON_SOCKET_DIR": own.sockets,
            "SHARED_PORT_DAEMON_AD_FILE": own.port_ad,
        },
    )


def _back(*names: str) -> Part:
    return Part(
        "back",
        (
            "And back again: take these lines out, and restart. Where they have replaced what was",
            "there, HTCondor's defaults are these; DAEMON_LIST is yours, with COLLECTOR.",
        ),
        {"DAEMON_LIST": "MASTER COLLECTOR NEGOTIATOR"}
        | {name: value for name, value in _DEFAULTS.items() if name in names},
    )
