"""What the broker's core is told, what it answers to do, and how much it takes on.

A *peer* is a number for one control connection, a *leg* one for a connection that carries one side
of a relayed stream; both are given by the caller and never used twice. A *member* is a node: its
services and users count with it, because a node certifies as many of them as it likes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from glasnost.core.wire.header import TOKEN_SIZE
from glasnost.core.wire.messages import Message, Request

#: The longest a request may take. A dial-back is two round trips and a relay three; 30 s are ten
#: times what the slowest line needs with two lost packets, and bound what is remembered.
MAX_TIMEOUT: Final = 30.0
#: How long one leg waits for the other: both were asked for in the same moment, so whoever is
#: missing after 10 s (three lost SYNs are 7 s) does not come.
LEG_WAIT: Final = 10.0
#: A requester that hangs up may have its leg on the way; one lost SYN costs it 1 s. After 2 s it
#: has changed its mind (another path won), and its place is free again.
LEG_GRACE: Final = 2.0
#: Return routes passed on to a target: four networks, two protocols, two ports each.
MAX_RETURNS: Final = 16
#: Characters of one return route: an IPv6 literal with its port (50), a network (63), a service.
MAX_RETURN_TEXT: Final = 256

#: Why not: a code for programs, and a sentence.
Refusal = tuple[str, str]


@dataclass(frozen=True)
class Limits:
    """How much one broker takes on; over a whole limit the answer is "busy", over a member's own
    share "quota", and both say the number."""

    #: A registered target costs 30 kB (docs/topics/broker.md) and a descriptor: 600 MB, and as
    #: many descriptors as processes commonly may have.
    targets: int = 20_000
    #: Requests last some round trips; 5,000 at 0.2 s each are 25,000 connections a second, more
    #: than a core gives.
    requests: int = 5_000
    #: One member's share of that: 64 at 0.2 s are 320 connections a second.
    requests_per_member: int = 64
    #: Joined pairs: 4,000 descriptors, and at a full line 0.4 CPU seconds per GB.
    streams: int = 2_000
    #: A member's share, as requester or as target: a tenth.
    streams_per_member: int = 200
    #: Control connections of one member: one for each of its processes that dials right now.
    connections_per_member: int = 256

    def within(self, descriptors: int) -> Limits:
        """The same, for a process that may have only so many descriptors.

        A quarter is left to listeners, to who has not shaken hands yet, and to requesters; of the
        rest, streams (two each) get at most half.

        >>> Limits().within(1024).targets, Limits().within(1024).streams
        (384, 192)
        """
        usable = descriptors * 3 // 4
        streams = min(self.streams, usable // 4)
        return replace(self, streams=streams, targets=min(self.targets, usable - 2 * streams))


def contact_of(node: str, program: str) -> str:
    """The name under which requesters ask for a target."""
    return f"{node}.{program}" if program else node


def misshapen(request: Request) -> Refusal | None:
    """Why a request makes no sense, whoever sent it."""
    if request.way == "relay":
        return None
    if request.way != "dial-back":
        return "unsupported", f"{request.way[:40]!r} is not offered here, dial-back and relay are"
    if len(request.reply) != TOKEN_SIZE:
        return "bad-request", f"a reply name has {TOKEN_SIZE} bytes, not {len(request.reply)}"
    if not request.returns:
        return "bad-request", "a dial-back needs a return route"
    if any(len(text) > MAX_RETURN_TEXT for text in request.returns):
        return "bad-request", f"a return route has at most {MAX_RETURN_TEXT} characters"
    return None


# --- events -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Joined:
    """A control connection stands. ``name`` is the peer's identity as text, ``node`` its node;
    ``agent``: the identity is the node itself, no service or user there."""

    peer: int
    node: str
    name: str
    agent: bool
    observed: str = ""


@dataclass(frozen=True, slots=True)
class Said:
    """A peer sent a message, any but `Request`."""

    peer: int
    message: Message


@dataclass(frozen=True, slots=True)
class Wanted:
    """A peer sent a `Request`. ``tokens`` are fresh random ones for the two legs of a relayed
    stream, the requester's first; a dial-back leaves them unused."""

    peer: int
    request: Request
    tokens: tuple[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Gone:
    """A control connection ended."""

    peer: int


@dataclass(frozen=True, slots=True)
class LegArrived:
    """A connection came with this relay token."""

    token: bytes
    leg: int


@dataclass(frozen=True, slots=True)
class LegLost:
    """A leg that was waiting closed."""

    leg: int


@dataclass(frozen=True, slots=True)
class Ended:
    """A stream that was joined is over."""

    stream: int


Event = Joined | Said | Wanted | Gone | LegArrived | LegLost | Ended


# --- effects ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Send:
    """Send this message to this peer."""

    peer: int
    message: Message


@dataclass(frozen=True, slots=True)
class Close:
    """End this control connection, after telling why."""

    peer: int
    code: str
    why: str


@dataclass(frozen=True, slots=True)
class Join:
    """Copy between these two legs, the requester's and the target's, and report `Ended`.
    ``owners`` are the two nodes in the same order."""

    stream: int
    legs: tuple[int, int]
    owners: tuple[str, str]


@dataclass(frozen=True, slots=True)
class RefuseLeg:
    """Answer on this leg why it leads nowhere, and close it."""

    leg: int
    code: str
    why: str


Effect = Send | Close | Join | RefuseLeg
