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
               Announce → Announced;
               Certify → Certified; Resolve → Resolved; Where → WhereIs;
               Expect → Expected, then Arrived (+ socket), or Unexpect → Done;
               Dial → Dialled (+ socket); List, Query → Listing; Withdraw → Done;
               Watch → Changes; Status → StatusIs; Reload → Reloaded
everywhere     Ping → Pong; Failed
=============  ====================================================================
"""

from typing import Final

from glasnost.core.wire.messages import authority, base, broker, directory, local
from glasnost.core.wire.messages.authority import (
    AUTHORITY,
    Directory,
    Enrol,
    Enrolled,
    RenewNode,
    Root,
    RootIs,
)
from glasnost.core.wire.messages.base import (
    Done,
    Failed,
    Message,
    Ping,
    Pong,
)
from glasnost.core.wire.messages.broker import (
    BROKER,
    DialBack,
    Leg,
    Probe,
    Probed,
    Register,
    Registered,
    Relay,
    Request,
)
from glasnost.core.wire.messages.codec import (
    MAX_REASON,
    Codec,
    Unreadable,
    encode,
)
from glasnost.core.wire.messages.directory import (
    DIRECTORY,
    Changes,
    Found,
    List,
    Listing,
    Lookup,
    Party,
    Publish,
    Published,
    Query,
    Renew,
    Renewed,
    Watch,
    Withdraw,
)
from glasnost.core.wire.messages.local import (
    LOCAL,
    Announce,
    Announced,
    Arrived,
    Certified,
    Certify,
    Dial,
    Dialled,
    Entry,
    Expect,
    Expected,
    Hello,
    Offer,
    Offered,
    Reload,
    Reloaded,
    Resolve,
    Resolved,
    Status,
    StatusIs,
    Unexpect,
    Welcome,
    Where,
    WhereIs,
)
from glasnost.core.wire.messages.records import (
    PROTECTIONS,
    RECORD_VERSION,
    RELAYS,
    Record,
    Signed,
    decode_record,
    encode_record,
    may_be_relayed,
)

__all__ = [
    "AUTHORITY",
    "BROKER",
    "DIRECTORY",
    "LOCAL",
    "MAX_REASON",
    "PROTECTIONS",
    "QUESTIONS",
    "RECORD_VERSION",
    "RELAYS",
    "Announce",
    "Announced",
    "Arrived",
    "Certified",
    "Certify",
    "Changes",
    "Codec",
    "Dial",
    "DialBack",
    "Dialled",
    "Directory",
    "Done",
    "Enrol",
    "Enrolled",
    "Entry",
    "Expect",
    "Expected",
    "Failed",
    "Found",
    "Hello",
    "Leg",
    "List",
    "Listing",
    "Lookup",
    "Message",
    "Offer",
    "Offered",
    "Party",
    "Ping",
    "Pong",
    "Probe",
    "Probed",
    "Publish",
    "Published",
    "Query",
    "Record",
    "Register",
    "Registered",
    "Relay",
    "Reload",
    "Reloaded",
    "Renew",
    "RenewNode",
    "Renewed",
    "Request",
    "Resolve",
    "Resolved",
    "Root",
    "RootIs",
    "Signed",
    "Status",
    "StatusIs",
    "Unexpect",
    "Unreadable",
    "Watch",
    "Welcome",
    "Where",
    "WhereIs",
    "Withdraw",
    "decode_record",
    "encode",
    "encode_record",
    "may_be_relayed",
]

#: What asks, and so is never taken for an answer: both ends of a connection count their own
#: questions, and their numbers meet.
QUESTIONS: Final = (
    *base.QUESTIONS,
    *broker.QUESTIONS,
    *directory.QUESTIONS,
    *authority.QUESTIONS,
    *local.QUESTIONS,
)
