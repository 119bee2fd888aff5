"""Every message on a control connection, and the record that the directory keeps.

A message is a MessagePack map; its key ``t`` says which one it is. Readers ignore keys they do
not know. A message that asks carries an ``id``, and its answer the same ``id``; `Failed` answers
anything. Who says what to whom, in which order: docs/protocol/.

=============  ====================================================================
broker         Register → Registered; Request → Failed, or Relay, or a dial-back;
               the broker to a target: DialBack, Leg; the target: Done or Failed;
               Probe → Probed
directory      Publish → Published; Renew → Renewed; Withdraw → Done;
               Lookup → Found; List, Query → Listing; Watch → Changes
authority      Root → RootIs (in the clear); Enrol, RenewNode → Enrolled
local agent    Hello → Welcome; Offer → Offered, then Arrived (+ socket);
               Certify → Certified; Resolve → Resolved; Where → WhereIs;
               Expect → Expected, then Arrived (+ socket), or Unexpect → Done;
               Dial → Dialled (+ socket); List, Query → Listing; Withdraw → Done;
               Watch → Changes; Status → StatusIs
everywhere     Ping → Pong; Failed
=============  ====================================================================
"""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from glasnost.core.wire.header import Call
from glasnost.errors import ProtocolError

#: The version of a record's layout. Directories of the version before keep it and pass it on, so
#: it stays for as long as they can read it.
RECORD_VERSION = 1


class Message(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="t", tag=str.lower):
    """What all messages share: the number that joins a question and its answer (0: none)."""

    #: The version of the protocol that it came with: peers that speak an older one are not asked.
    since: ClassVar[int] = 1

    id: int = 0


# --- everywhere ---------------------------------------------------------------------------------


class Ping(Message, frozen=True):
    """Are you there?"""


class Pong(Message, frozen=True):
    """I am. ``now``: what my clock says, in seconds since 1970 (0: nothing)."""

    now: float = 0.0


class Done(Message, frozen=True):
    """The thing asked for was done; nothing to add."""


class Failed(Message, frozen=True):
    """It was not done. ``code`` is for programs, ``why`` a sentence for people."""

    code: str = "failed"
    why: str = ""


# --- broker -------------------------------------------------------------------------------------


class Register(Message, frozen=True):
    """A target to its broker: dial me through this connection. The contact is its certificate's
    node name, and behind a dot the ``program``: one of a host without an agent, where each is a
    target by itself. A newer registration replaces an older one of the same contact."""

    program: str = ""


class Registered(Message, frozen=True):
    """``lease`` seconds of silence end the registration; ``observed`` is the target's address as
    the broker sees it."""

    contact: str = ""
    lease: float = 0.0
    observed: str = ""


class Request(Message, frozen=True):
    """A requester to a broker: bring me together with ``contact``.

    ``way`` is ``dial-back`` (the target connects to one of ``returns``, texts of routes, and
    calls the reply name ``reply``) or ``relay``. ``timeout`` in seconds.
    """

    contact: str = ""
    way: str = "dial-back"
    reply: bytes = b""
    returns: tuple[str, ...] = ()
    timeout: float = 0.0


class DialBack(Message, frozen=True):
    """The broker to a target: connect to one of these return routes, call this reply name."""

    reply: bytes = b""
    returns: tuple[str, ...] = ()
    caller: str = ""
    timeout: float = 0.0


class Leg(Message, frozen=True):
    """The broker to a target: open a fresh connection to me and call with this relay token."""

    token: bytes = b""
    caller: str = ""
    timeout: float = 0.0


class Relay(Message, frozen=True):
    """The broker to a requester: open a fresh connection to me and call with this token."""

    token: bytes = b""


class Probe(Message, frozen=True):
    """A member to a broker: can I be reached from where you are? Connect once to the address that
    you see me at, at this port, and call the reply name ``reply``."""

    since: ClassVar[int] = 2

    port: int = 0
    reply: bytes = b""


class Probed(Message, frozen=True):
    """What came of it. ``observed`` is the asker's address as the broker sees it; ``outcome`` is
    ``connected`` (if it was the asker's port that took the call, the asker knows), ``refused``,
    ``timeout``, ``unreachable``, or ``not-dialled``; ``why`` a sentence; ``seconds`` the time
    that connecting took."""

    since: ClassVar[int] = 2

    observed: str = ""
    outcome: str = ""
    why: str = ""
    seconds: float = 0.0


# --- directory ----------------------------------------------------------------------------------


class Record(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a name means. ``name`` in full; ``address`` the text of an address; ``reach`` texts of
    landings (None: unknown, empty: none); ``protection`` sealed or plain; ``relay`` sealed, any
    or no; ``not_after`` seconds since 1970."""

    name: str
    address: str
    reach: tuple[str, ...] | None = None
    labels: dict[str, str] = {}
    protection: str = "sealed"
    relay: str = "sealed"
    sequence: int = 0
    not_after: int = 0
    v: int = RECORD_VERSION


def may_be_relayed(protection: str, relay: str) -> bool:
    """Whether a broker may copy a service's streams: ``sealed`` lets it copy what it cannot read,
    ``any`` also a plain service's, ``no`` nothing. Requester and target both hold to it."""
    return relay == "any" or (relay == "sealed" and protection == "sealed")


class Signed(msgspec.Struct, frozen=True, omit_defaults=True):
    """A record's bytes as its owner wrote them, the owner's ECDSA-SHA256 signature over
    ``b"glasnost record 1\\0" + payload``, and the owner's node certificate (DER)."""

    payload: bytes
    signature: bytes
    certificate: bytes


class Publish(Message, frozen=True):
    records: tuple[Signed, ...] = ()


class Published(Message, frozen=True):
    """One ``code: sentence`` per record of the question, empty where it was taken (and is
    durable)."""

    lease: float = 0.0
    refused: tuple[str, ...] = ()


class Renew(Message, frozen=True):
    """``sequences``: of each name's record, as its owner has it; a directory whose own is older,
    because its store is, does not know the name."""

    names: tuple[str, ...] = ()
    sequences: tuple[int, ...] = ()


class Renewed(Message, frozen=True):
    """``unknown`` names must be published again."""

    lease: float = 0.0
    unknown: tuple[str, ...] = ()


class Withdraw(Message, frozen=True):
    """To a directory, full names; to the local agent, names as they were offered."""

    names: tuple[str, ...] = ()


class Lookup(Message, frozen=True):
    name: str = ""


class Found(Message, frozen=True):
    """``age``: seconds since the owner last published or renewed."""

    record: Signed | None = None
    age: float = 0.0


class List(Message, frozen=True):
    """Records whose full name matches ``glob``, in the order of names, after ``after``. The local
    agent asks the ``directory`` with that full name (left out: the first that answers)."""

    glob: str = "*"
    after: str = ""
    limit: int = 100
    directory: str = ""


class Party(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who is asked about: the owner of a record, by full name, or else whoever has this
    ``vantage``, in plain types as `core.routes.vantage` writes it."""

    name: str = ""
    vantage: dict[str, Any] = {}


class Query(List, frozen=True):
    """A `List` that leaves out what does not fit: labels that miss one of the terms in
    ``selector`` (``key=value``, ``key!=value``, ``key``, ``!key``), what cannot be reached from
    one party, and what cannot reach another, as far as records tell."""

    selector: tuple[str, ...] = ()
    reachable_from: Party | None = None
    reachable_to: Party | None = None


class Listing(Message, frozen=True):
    """A page; ``more`` says that the next one begins after its last name."""

    records: tuple[Signed, ...] = ()
    ages: tuple[float, ...] = ()
    more: bool = False


class Watch(Message, frozen=True):
    """What has changed in the directory's log called ``log`` after the change numbered ``seen``, of
    names that match ``glob`` and labels that fit ``selector``? If nothing has, the answer is held
    until something does, for at most ``hold`` seconds. No log: which one is there, and how far is
    it? The local agent asks the ``directory`` with that full name."""

    since: ClassVar[int] = 2

    glob: str = "*"
    selector: tuple[str, ...] = ()
    log: str = ""
    seen: int = 0
    hold: float = 0.0
    limit: int = 100
    directory: str = ""


class Changes(Message, frozen=True):
    """All of them up to the change numbered ``seen``: the records that came or are others now, with
    their ages, and the names that are gone, with the reason."""

    since: ClassVar[int] = 2

    log: str = ""
    seen: int = 0
    records: tuple[Signed, ...] = ()
    ages: tuple[float, ...] = ()
    gone: dict[str, str] = {}


# --- authority ----------------------------------------------------------------------------------


class Directory(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a directory is: its full name (its certificate must show it) and its address."""

    name: str
    address: str


class Root(Message, frozen=True):
    """In the clear, before TLS: which root certificate is yours?"""


class RootIs(Message, frozen=True):
    """``now``: what the authority's clock says, in seconds since 1970 (0: nothing). In the clear
    it proves nothing, and is there for hosts whose own clock lets no certificate hold."""

    certificate: bytes = b""
    now: float = 0.0


class Enrol(Message, frozen=True):
    """A new node: the token's identifier and secret, and a certificate request (PKCS#10, DER)."""

    token: str = ""
    secret: bytes = b""
    csr: bytes = b""


class RenewNode(Message, frozen=True):
    """A node's next certificate: the one it has (DER), and a request signed by the same key."""

    certificate: bytes = b""
    csr: bytes = b""


class Enrolled(Message, frozen=True):
    """A node's certificate, and the root (DER) that the node has believed in to get it."""

    certificate: bytes = b""
    directories: tuple[Directory, ...] = ()
    networks: tuple[str, ...] = ()
    root: bytes = b""


# --- local agent --------------------------------------------------------------------------------


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


#: What asks, and so is never taken for an answer: both ends of a connection count their own
#: questions, and their numbers meet.
QUESTIONS = (
    Register,
    Request,
    DialBack,
    Leg,
    Probe,
    Publish,
    Renew,
    Withdraw,
    Lookup,
    List,
    Query,
    Watch,
    Root,
    Enrol,
    RenewNode,
    Hello,
    Offer,
    Certify,
    Resolve,
    Where,
    Expect,
    Unexpect,
    Dial,
    Status,
    Ping,
)

#: What may arrive where: a decoder accepts its own list and nothing else.
BROKER = (
    Register
    | Registered
    | Request
    | Relay
    | DialBack
    | Leg
    | Probe
    | Probed
    | Done
    | Failed
    | Ping
    | Pong
)
DIRECTORY = (
    Publish
    | Published
    | Renew
    | Renewed
    | Withdraw
    | Done
    | Lookup
    | Found
    | List
    | Query
    | Listing
    | Watch
    | Changes
    | Failed
    | Ping
    | Pong
)
AUTHORITY = Root | RootIs | Enrol | RenewNode | Enrolled | Failed
LOCAL = (
    Hello
    | Welcome
    | Offer
    | Offered
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
    | Done
    | Failed
    | Ping
    | Pong
)

#: Characters of the decoder's reason that go back to who sent the message: a long sentence.
MAX_REASON = 200

_encoder = msgspec.msgpack.Encoder()


def encode(message: Message) -> bytes:
    """The bytes of one message."""
    return _encoder.encode(message)


class Codec:
    """Reads the messages of one conversation.

    >>> Codec(BROKER).decode(encode(Ping(id=7)))
    Ping(id=7)
    """

    def __init__(self, messages: Any) -> None:
        self._decoder: msgspec.msgpack.Decoder[Message] = msgspec.msgpack.Decoder(messages)

    def decode(self, body: bytes) -> Message:
        """One message, or `Unreadable` to answer. Raises `ProtocolError` when it is not even a
        map with an ``id``: then nobody can be answered."""
        try:
            return self._decoder.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            return _explain(body, str(error))


class Unreadable(Message, frozen=True):
    """Stands for a message that this conversation does not know, so that it can be answered."""

    why: str = ""


class _Envelope(msgspec.Struct):
    t: str
    id: int = 0


_envelopes = msgspec.msgpack.Decoder(_Envelope)


def _explain(body: bytes, why: str) -> Unreadable:
    try:
        envelope = _envelopes.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ProtocolError(f"unreadable message: {error}") from None
    # The decoder's reason may quote the peer's whole message.
    return Unreadable(
        envelope.id, f"message {envelope.t[:40]!r} is not understood here: {why[:MAX_REASON]}"
    )


_records = msgspec.msgpack.Decoder(Record)


def encode_record(record: Record) -> bytes:
    """The payload that gets signed; it is kept and passed on as these bytes, never re-encoded."""
    return _encoder.encode(record)


class _RecordVersion(msgspec.Struct):
    v: int = 1


_record_versions = msgspec.msgpack.Decoder(_RecordVersion)


def decode_record(payload: bytes) -> Record:
    """Read a record's payload. Raises `ProtocolError`, also for a version that is not ours: its
    fields may mean something else."""
    try:
        version = _record_versions.decode(payload).v
        if version != RECORD_VERSION:
            raise ProtocolError(
                f"a record of version {version}, and only {RECORD_VERSION} is understood here"
            )
        return _records.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ProtocolError(f"unreadable record: {error}") from None
