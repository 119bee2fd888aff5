"""Sessions: what two sides remember of each other, so that a later connection begins with a key.

A client keeps its sessions by the address that it reached and the commands that the server has
named; a server by the session's name. Both are bounded: what was used least recently goes, and
costs a negotiation. The time is an argument, in seconds of one clock.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from glasnost.condor.cedar.ciphers import AES, SessionKey
from glasnost.condor.cedar.values import Version
from glasnost.condor.commands import Level
from glasnost.condor.security.negotiation import NOBODY, Policy
from glasnost.condor.security.words import Word

#: A server keeps a session so much longer than it has said, for clocks and connections under way.
GRACE: Final = 20
#: As many sessions of clients as a server keeps: half a kB each.
MAX_SERVER_SESSIONS: Final = 50_000
#: Of these, the share of those who have not logged in: they could take all places in a minute.
STRANGERS_SHARE: Final = 5
#: As many as a client keeps; a pool's bridge talks with thousands of daemons.
MAX_CLIENT_SESSIONS: Final = 10_000
#: What the children of one HTCondor master share among themselves. We are none of them.
FAMILY: Final = "family:"


@dataclass(frozen=True)
class Identity:
    """Who is at the other end, and how that is known."""

    user: str = NOBODY
    #: The method's name, or "" where nobody has logged in.
    method: str = ""
    #: Where a token or a method allows only some permissions: those; else None.
    limits: frozenset[Level] | None = None

    @property
    def authenticated(self) -> bool:
        return bool(self.method)


@dataclass(frozen=True)
class Session:
    """What both sides know: a name, a key, and what is switched on with it."""

    name: str
    key: SessionKey | None = field(repr=False)
    encryption: bool = False
    integrity: bool = False
    #: Of a client's session: as whom the server knows us. Of a server's: who the client is.
    identity: Identity = Identity()
    #: The commands that it may be used for, as the server has said.
    commands: frozenset[int] = field(default_factory=frozenset, repr=False)
    peer: Version | None = None
    duration: int = 0
    lease: int = 0

    @property
    def enciphers(self) -> bool:
        """Whether nobody else can read what is said in it."""
        return self.key is not None and (self.key.cipher == AES or self.encryption)

    @property
    def vouches(self) -> bool:
        """Whether nobody else can say something in it."""
        return self.key is not None and (self.key.cipher == AES or self.integrity)

    def is_enough(self, policy: Policy) -> bool:
        """Whether it is all that a policy requires."""
        required = Word.REQUIRED
        return (
            (policy.authentication is not required or self.identity.authenticated)
            and (policy.encryption is not required or self.enciphers)
            and (policy.integrity is not required or self.vouches)
        )


@dataclass
class _Kept:
    session: Session
    ends: float
    used: float

    def is_over(self, now: float, lease: int) -> bool:
        return now >= self.ends or (lease > 0 and now - self.used >= lease)


class ServerSessions:
    """The sessions that a server has given out. Strangers' have room of their own: as many as
    they make, nobody who has logged in has to do it again."""

    def __init__(self, limit: int = MAX_SERVER_SESSIONS) -> None:
        strangers = limit // STRANGERS_SHARE
        self._known, self._strangers = _Room(limit - strangers), _Room(strangers)

    def __len__(self) -> int:
        return len(self._known) + len(self._strangers)

    def add(self, session: Session, now: float) -> None:
        room = self._known if session.identity.authenticated else self._strangers
        room.add(session, now)

    def find(self, name: str, now: float) -> Session | None:
        """The session of a name, which is used by this."""
        return self._known.find(name, now) or self._strangers.find(name, now)

    def drop(self, name: str) -> None:
        self._known.drop(name)
        self._strangers.drop(name)


class _Room:
    """Sessions by name; where there are too many, the one used least recently goes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        #: The one used least recently stands first.
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def add(self, session: Session, now: float) -> None:
        self._forget(now)
        self._kept[session.name] = _Kept(session, now + session.duration + GRACE, now)

    def find(self, name: str, now: float) -> Session | None:
        kept = self._kept.get(name)
        if kept is None:
            return None
        if kept.is_over(now, kept.session.lease):
            del self._kept[name]
            return None
        kept.used = now
        self._kept.move_to_end(name)
        return kept.session

    def drop(self, name: str) -> None:
        self._kept.pop(name, None)

    def _forget(self, now: float) -> None:
        """Room for one more; those that are over go first, as far as they stand first."""
        for name in list(self._over(now)):
            del self._kept[name]
        while len(self._kept) >= self._limit:
            self._kept.popitem(last=False)

    def _over(self, now: float) -> Iterator[str]:
        for name, kept in self._kept.items():
            if not kept.is_over(now, kept.session.lease):
                return
            yield name


class ClientSessions:
    """The sessions that servers have given us.

    ``tag`` keeps apart what must not be mixed: two users of one process, or two policies.
    """

    def __init__(self, limit: int = MAX_CLIENT_SESSIONS) -> None:
        self._limit = limit
        self._kept: OrderedDict[tuple[str, str, str], _Kept] = OrderedDict()
        self._by_address: dict[tuple[str, str], list[str]] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def add(self, address: str, session: Session, now: float, tag: str = "") -> None:
        """Keep what the server at this address has given, in the place of what was for less."""
        for name in self._by_address.get((address, tag), [])[:]:
            if self._kept[address, tag, name].session.commands <= session.commands:
                self._remove((address, tag, name))
        while len(self._kept) >= self._limit:
            self._remove(next(iter(self._kept)))
        self._by_address.setdefault((address, tag), []).append(session.name)
        self._kept[address, tag, session.name] = _Kept(session, now + session.duration, now)

    def find(self, address: str, command: int, now: float, tag: str = "") -> Session | None:
        """A session for this command there, the newest that has one."""
        for name in self._by_address.get((address, tag), [])[::-1]:
            key = (address, tag, name)
            kept = self._kept[key]
            # The server forgets an idle one by its own clock: so not at the last moment.
            lease = kept.session.lease
            if kept.is_over(now, lease and max(lease - GRACE, 1)):
                self._remove(key)
            elif command in kept.session.commands:
                kept.used = now
                self._kept.move_to_end(key)
                return kept.session
        return None

    def drop(self, address: str, session: Session, tag: str = "") -> None:
        """The server does not know it any more."""
        if (address, tag, session.name) in self._kept:
            self._remove((address, tag, session.name))

    def _remove(self, key: tuple[str, str, str]) -> None:
        address, tag, name = key
        del self._kept[key]
        names = self._by_address[address, tag]
        names.remove(name)
        if not names:
            del self._by_address[address, tag]
