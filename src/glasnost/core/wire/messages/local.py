"""What a program and the agent of its host say to each other."""

from __future__ import annotations

from typing import Any, ClassVar, Final

import msgspec

from glasnost.core.wire.header import Call
from glasnost.core.wire.messages.base import Done, Failed, Message, Ping, Pong
from glasnost.core.wire.messages.directory import (
    Changes,
    List,
    Listing,
    Query,
    Watch,
    Withdraw,
)
from glasnost.core.wire.messages.records import Signed


class Hello(Message, frozen=True):
    """The program speaks all versions from ``v`` to ``newest`` (left out: only ``v``)."""

    v: int = 1
    newest: int = 0


class Welcome(Message, frozen=True):
    """``v`` is the version that is spoken from here on."""

    v: int = 1
    node: str = ""
    domain: str = ""
    user: str = ""
    root: bytes = b""


class Offer(Message, frozen=True):
    """Register a service under ``name`` (one label) for as long as this connection lasts."""

    name: str = ""
    protection: str = "sealed"
    relay: str = "sealed"
    labels: dict[str, str] = {}


class Offered(Message, frozen=True):
    full: str = ""


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """A record of this node's that leads to somebody who knows nothing of us: always plain.

    ``name`` is one label, the rest as in `Record`."""

    name: str = ""
    address: str = ""
    reach: tuple[str, ...] | None = None
    labels: dict[str, str] = {}
    relay: str = "any"


class Announce(Message, frozen=True):
    """Publish these for as long as this connection lasts; each replaces what this program has
    announced under its name before."""

    since: ClassVar[int] = 2
    records: tuple[Entry, ...] = ()


class Announced(Message, frozen=True):
    """For each of them nothing, or why it is not published: ``code: sentence``."""

    since: ClassVar[int] = 2
    refused: tuple[str, ...] = ()


class Arrived(Message, frozen=True):
    """One socket comes with this packet, for the service ``call.to`` or the reply name
    ``call.reply``; its header is consumed and nothing more. ``peer`` is for people."""

    call: Call = Call()
    peer: str = ""


class Certify(Message, frozen=True):
    """A certificate for a key of the caller's own: ``kind`` ``service`` (of the ``name`` that
    this connection has offered) or ``user`` (the caller, as ``user@node``)."""

    kind: str = "user"
    name: str = ""
    csr: bytes = b""


class Certified(Message, frozen=True):
    """Certificates in DER, the leaf first, then its node's."""

    chain: tuple[bytes, ...] = ()


class Resolve(Message, frozen=True):
    name: str = ""


class Resolved(Message, frozen=True):
    record: Signed | None = None
    age: float = 0.0


class Where(Message, frozen=True):
    """What can this host reach, and how can it be reached?"""


class WhereIs(Message, frozen=True):
    """``vantage`` as `core.routes.vantage` writes it in plain types."""

    vantage: dict[str, Any] = {}


class Expect(Message, frozen=True):
    """A dial-back will come: give me a reply name for it."""

    timeout: float = 0.0


class Expected(Message, frozen=True):
    reply: bytes = b""


class Unexpect(Message, frozen=True):
    """Nobody waits for the dial-back to ``reply`` any more; answered by `Done`."""

    reply: bytes = b""


class Dial(Message, frozen=True):
    """Connect to ``name`` for me. A sealed service's stream is opened by the agent as the
    caller's, and copied through the socket that comes back; when that has ended, `Done` or
    `Failed` (``cut``) with the same id says whether it ended as it should."""

    name: str = ""
    timeout: float = 0.0


class Dialled(Message, frozen=True):
    """One socket comes with this packet. ``route`` is the path that was taken."""

    full: str = ""
    protection: str = ""
    route: str = ""


class Status(Message, frozen=True):
    pass


class StatusIs(Message, frozen=True):
    status: dict[str, Any] = {}


class Reload(Message, frozen=True):
    """Read the host's settings again; where they cannot be used, the answer is `Failed`."""

    since: ClassVar[int] = 2


class Reloaded(Message, frozen=True):
    """The settings that hold now and were others before, and those that are others in the file and
    hold only from the agent's next start on."""

    since: ClassVar[int] = 2
    changed: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()


#: What asks, and so is never taken for an answer.
QUESTIONS: Final = (
    Hello,
    Offer,
    Announce,
    Certify,
    Resolve,
    Where,
    Expect,
    Unexpect,
    Dial,
    Status,
    Reload,
)

#: What may arrive in this conversation: its decoder accepts this list and nothing else.
LOCAL = (
    Hello
    | Welcome
    | Offer
    | Offered
    | Announce
    | Announced
    | Withdraw
    | Arrived
    | Certify
    | Certified
    | Resolve
    | Resolved
    | Where
    | WhereIs
    | Expect
    | Expected
    | Unexpect
    | Dial
    | Dialled
    | List
    | Query
    | Listing
    | Watch
    | Changes
    | Status
    | StatusIs
    | Reload
    | Reloaded
    | Done
    | Failed
    | Ping
    | Pong
)
