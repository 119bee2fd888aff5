"""What is said to and by a directory."""

from __future__ import annotations

from typing import Any, ClassVar, Final

import msgspec

from glasnost.core.wire.messages.base import Done, Failed, Message, Ping, Pong
from glasnost.core.wire.messages.records import Signed


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


#: What asks, and so is never taken for an answer.
QUESTIONS: Final = (
    Publish,
    Renew,
    Withdraw,
    Lookup,
    List,
    Query,
    Watch,
)

#: What may arrive in this conversation: its decoder accepts this list and nothing else.
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
