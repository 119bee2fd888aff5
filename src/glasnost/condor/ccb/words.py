"""What the broker's core is told, what it answers to do, how much it takes on, and the sentences
in which it refuses: those of HTCondor's own broker, where that has one.

*Peers* are numbers of connections, given by the caller and never used twice: a target's
registration, a requester's request, and a *leg*, the connection that a target makes for a stream.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

#: How long a target has to dial, seconds; what HTCondor gives a request whose maker gave it none.
REQUEST_TIME: Final = 600.0
#: The same where the target has to dial us: CCB_SERVER_STREAMING_HANDSHAKE_TIMEOUT.
STREAM_TIME: Final = 300.0
#: Ids of a way through nested brokers; HTCondor's own bound.
MAX_ROUTE: Final = 8
#: Characters of a name, an address and a cookie that are kept and passed on. An address with all
#: that belongs to it has some hundred; HTCondor names no bound.
MAX_TEXT: Final = 4096
#: Digits of an id.
MAX_ID_DIGITS: Final = 18

INVALID_ID: Final = "invalid CCBID"
INVALID_ROUTE: Final = "invalid tunnel route"
NOT_PERMITTED: Final = "target not permitted by this broker"
NOT_FORWARDED: Final = "failed to forward request to target"
NO_STREAMING: Final = (
    "CCB streaming mode is required for this request, and CCB_SERVER_STREAMING is false here"
)


def ip_of(at: str) -> str:
    """The IP address of ``ip:port`` or ``[ip]:port``.

    >>> ip_of("192.0.2.7:5"), ip_of("[2001:db8::7]:5")
    ('192.0.2.7', '2001:db8::7')
    """
    return at.rpartition(":")[0].strip("[]")


def unknown_id(ccbid: int) -> str:
    """Nobody is registered so."""
    return (
        f"CCB server rejecting request for ccbid {ccbid} because no daemon is currently "
        "registered with that id (perhaps it recently disconnected)."
    )


@dataclass(frozen=True)
class Limits:
    """How much one broker takes on. Over a limit a request is answered with a sentence; a target
    is not registered, and tries again later."""

    #: A target costs a descriptor and 8 kB (docs/topics/condor-broker.md).
    targets: int = 20_000
    #: One source address's share: a NAT with half of a pool's daemons behind it.
    targets_per_source: int = 10_000
    #: Dial-backs last a round trip or two; those whose targets do not answer, ten minutes.
    requests: int = 5_000
    #: One source address's share: an access point reaches hundreds of targets at once.
    requests_per_source: int = 1_000
    #: Two descriptors each.
    streams: int = 2_000
    streams_per_source: int = 500
    #: Whether anything is relayed: CCB_SERVER_STREAMING.
    streaming: bool = True

    def within(self, descriptors: int) -> Limits:
        """The same, for a process that may have only so many descriptors: a quarter is others',
        and streams get at most half of the rest.

        >>> Limits().within(1024).targets, Limits().within(1024).streams
        (384, 192)
        """
        usable = descriptors * 3 // 4
        streams = min(self.streams, usable // 4)
        targets = min(self.targets, usable - 2 * streams)
        share = min(self.targets_per_source, targets // 2)
        return replace(self, streams=streams, targets=targets, targets_per_source=share)


# --- events -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Registering:
    """A daemon asks to be a target. ``old`` and ``cookie`` are what it was told the last time;
    ``fresh`` is a random cookie, for the case that it gets a new id."""

    peer: int
    name: str
    ip: str
    fresh: str
    old: int | None = None
    cookie: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A requester asks for a target. ``returns`` is where it can be dialled, as it wrote it;
    ``route`` are further ids, for brokers behind; ``at`` its own address, ``user`` its name."""

    peer: int
    ccbid: str
    connect_id: str
    name: str
    returns: str
    at: str
    user: str
    streaming: bool = False
    route: str = ""

    @property
    def source(self) -> str:
        """Its IP address, for shares."""
        return ip_of(self.at)


@dataclass(frozen=True, slots=True)
class Answered:
    """A target says what came of a request."""

    peer: int
    request: str
    connect_id: str
    ok: bool
    error: str = ""


@dataclass(frozen=True, slots=True)
class Hello:
    """A connection says that it was dialled for a stream."""

    leg: int
    request: str
    connect_id: str


@dataclass(frozen=True, slots=True)
class Gone:
    """A connection ended: a target's, a requester's, or a leg that waited."""

    peer: int


@dataclass(frozen=True, slots=True)
class Ended:
    """A stream is over."""

    request: int


Event = Registering | Wanted | Answered | Hello | Gone | Ended


# --- effects ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Welcome:
    """Tell a target its id and its cookie."""

    peer: int
    ccbid: int
    cookie: str


@dataclass(frozen=True, slots=True)
class Forward:
    """Pass a request on to a target; for a stream it is to dial us."""

    peer: int
    request: int
    wanted: Wanted


@dataclass(frozen=True, slots=True)
class Reply:
    """Tell a requester how it ended, and close."""

    peer: int
    error: str = ""


@dataclass(frozen=True, slots=True)
class Join:
    """Tell a requester that its stream begins, copy between it and the leg, report `Ended`."""

    request: int
    peer: int
    leg: int


@dataclass(frozen=True, slots=True)
class Drop:
    """Close a connection without a word."""

    peer: int
    why: str


Effect = Welcome | Forward | Reply | Join | Drop
