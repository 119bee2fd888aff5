"""What can be known of a host, as plain values: gathered elsewhere, judged here.

Times are seconds, moments seconds since 1970. A sentence that says why something failed is empty
where it did not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Protocol = Literal["ip4", "ip6"]


@dataclass(frozen=True, slots=True)
class Item:
    """A file or directory. ``hidden``: we may not even look at it."""

    path: str
    kind: Literal["directory", "file", "socket", "other", "missing", "hidden"] = "missing"
    mode: int = 0
    owner: int = 0
    owner_name: str = ""


@dataclass(frozen=True, slots=True)
class Disk:
    """Where the state directory lies: bytes that are free, and whether it can be written to."""

    free: int
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class HomeFacts:
    """``user`` is who looks. ``keys`` are the private files, ``settings`` the settings file.
    ``agent_lives``: it answers, or holds its lock. ``elsewhere``: where another user of this host
    would have an agent."""

    user: int
    user_name: str
    home: Item
    joined: bool
    run: Item
    socket: Item
    agent_lives: bool
    keys: tuple[Item, ...] = ()
    settings: Item | None = None
    disk: Disk | None = None
    elsewhere: tuple[Item, ...] = ()


@dataclass(frozen=True, slots=True)
class Unknown:
    """A word that names no setting: in a file or the environment, and what it is close to."""

    name: str
    source: str
    similar: str = ""


@dataclass(frozen=True, slots=True)
class SettingsFacts:
    """``problem``: why they cannot be used; ``unfit``: why this host cannot do what they ask;
    ``newer``: they were changed after the agent had read them."""

    path: str
    there: bool
    problem: str = ""
    unfit: str = ""
    unknown: tuple[Unknown, ...] = ()
    newer: bool = False


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """``problem``: why the node's identity cannot be used at all; ``untrusted``: why the root does
    not vouch for it. ``grace``: for how long after its end it may still renew."""

    now: float
    problem: str = ""
    host: str = ""
    not_before: float = 0.0
    not_after: float = 0.0
    renew_at: float = 0.0
    root_not_after: float = 0.0
    grace: float = 0.0
    untrusted: str = ""
    renewal_problem: str = ""
    agent_runs: bool = False


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at somebody else's clock: how far it is ahead of ours, give or take ``bound``.
    ``proven``: a certificate said who answered."""

    source: str
    ahead: float
    bound: float
    proven: bool = True


@dataclass(frozen=True, slots=True)
class ClockFacts:
    """``tolerance``: what certificates forgive."""

    samples: tuple[Sample, ...]
    tolerance: float


@dataclass(frozen=True, slots=True)
class Process:
    """A daemon's descriptors: how many it has, and may have, now and if it asks for more (None:
    there is no limit). ``wants``: what its own limits need."""

    name: str
    pid: int
    used: int
    soft: int | None
    hard: int | None
    wants: int = 0


@dataclass(frozen=True, slots=True)
class ProcessFacts:
    """``root``: daemons run as root, whom the kernel lets have any number of sockets in flight
    to other processes."""

    processes: tuple[Process, ...]
    root: bool


@dataclass(frozen=True, slots=True)
class AgentFacts:
    """``why``: why none is reached. ``owner``: whose it is, if that is why. ``pid``: its process,
    also of one that holds its lock and does not answer. ``taken``: somebody else listens on the
    port. ``stand_in``: none runs, and this command stood in for it."""

    why: str = ""
    owner: str = ""
    version: str = ""
    own_version: str = ""
    pid: int = 0
    age: float = 0.0
    port: int | None = None
    wanted_port: int = 0
    taken: bool = False
    stand_in: bool = False


@dataclass(frozen=True, slots=True)
class DirectoryFacts:
    """One directory. ``names`` are this node's, as it knows them, each with its sequence."""

    name: str
    why: str = ""
    seconds: float = 0.0
    names: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class DirectoriesFacts:
    """``expected``: the services that the agent has. ``certified``: this host has a certificate,
    without which none can be asked."""

    directories: tuple[DirectoryFacts, ...]
    expected: tuple[str, ...] = ()
    certified: bool = True


@dataclass(frozen=True, slots=True)
class Registration:
    """This host at one broker, as its agent says; ``since`` seconds ago."""

    broker: str
    state: str
    since: float = 0.0
    failures: int = 0
    why: str = ""
    observed: str = ""


@dataclass(frozen=True, slots=True)
class BrokersFacts:
    """``listed``: brokers of other hosts that have a name (None: nobody could be asked);
    ``own``: one runs on this host. ``wanted``: at how many to register (0: at none)."""

    registrations: tuple[Registration, ...]
    listed: tuple[str, ...] | None = ()
    own: bool = False
    wanted: int = 0


@dataclass(frozen=True, slots=True)
class Attempt:
    """A TCP connection to one address of one of the pool's own services."""

    to: str
    host: str
    port: int
    seconds: float = 0.0
    why: str = ""


@dataclass(frozen=True, slots=True)
class Family:
    """One protocol, outwards. ``source`` is the address that connections leave from."""

    protocol: Protocol
    enabled: bool | Literal["auto"] = "auto"
    addresses: tuple[str, ...] = ()
    default_route: bool = False
    source: str = ""
    attempts: tuple[Attempt, ...] = ()


Outcome = Literal["connected", "refused", "timeout", "unreachable", "not-dialled", "not-asked"]


@dataclass(frozen=True, slots=True)
class Seen:
    """What one broker sees of us over one protocol: our address, and what came of a connection to
    ``port`` there. ``arrived``: it came to this host. ``not-asked``: no probe was made."""

    broker: str
    protocol: Protocol
    host: str
    port: int
    outcome: Outcome
    arrived: bool = False
    seconds: float = 0.0
    why: str = ""


@dataclass(frozen=True, slots=True)
class IncomingFacts:
    """``own``: this host's addresses; ``published``: host and port of the public literals among
    its doors; ``brokers``: where it is registered; ``askable``: brokers on other hosts, which
    could have been asked (None: nobody says which there are)."""

    seen: tuple[Seen, ...]
    own: tuple[str, ...] = ()
    published: tuple[tuple[str, int], ...] = ()
    brokers: tuple[str, ...] = ()
    protocols: tuple[Protocol, ...] = ()
    askable: int | None = 0


@dataclass(frozen=True, slots=True)
class PoolFacts:
    """What others know, and nobody can know without asking them."""

    directories: DirectoriesFacts
    brokers: BrokersFacts
    outgoing: tuple[Family, ...]
    incoming: IncomingFacts
    clock: ClockFacts


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything; None: it could not be gathered."""

    home: HomeFacts
    settings: SettingsFacts
    processes: ProcessFacts
    certificate: CertificateFacts | None = None
    agent: AgentFacts | None = None
    pool: PoolFacts | None = None
