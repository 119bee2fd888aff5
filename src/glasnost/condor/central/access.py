"""Who may do what, in HTCondor's words: lists of users and addresses for each permission.

An entry is ``USER@DOMAIN``, ``USER@DOMAIN/ADDRESS`` or ``ADDRESS``, where ``*`` stands for any
text, and an address is one or a range of them (``10.0.0.0/8``). Names of hosts are not looked up:
whoever can answer for DNS would say who may.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from glasnost.condor.commands import Level, implied_by
from glasnost.condor.security.methods.kinds import Method
from glasnost.condor.security.negotiation import DAEMON_DURATION, Policy
from glasnost.condor.security.sessions import Identity
from glasnost.condor.security.words import Word
from glasnost.errors import SettingsError

#: What `use security:recommended` has. (The second user of HTCondor's lists, condor@password, is
#: one of the first.)
_CONDOR: Final = ("condor@*",)
RECOMMENDED: Final[Mapping[Level, tuple[str, ...]]] = {
    Level.READ: ("*",),
    Level.WRITE: ("*",),
    Level.DAEMON: _CONDOR,
    Level.NEGOTIATOR: _CONDOR,
    Level.ADMINISTRATOR: (*_CONDOR, "root@*"),
}
#: Who may be a daemon may advertise, where nobody says who else.
_BY_DAEMON: Final = (Level.ADVERTISE_STARTD, Level.ADVERTISE_SCHEDD, Level.ADVERTISE_MASTER)
_USER: Final = re.compile(r"[^/]*@[^/]*|\*(?=/)")
_WILD_ADDRESS: Final = re.compile(r"[0-9a-fA-F.:]*\*")

Range = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class Entry:
    """One entry of a list."""

    user: re.Pattern[str]
    #: A range, a text with wildcards, or None for any address.
    where: Range | re.Pattern[str] | None = None

    @classmethod
    def of(cls, text: str) -> Entry:
        """Read one. Raises ``ValueError``."""
        found = _USER.match(text)
        user = found[0] if found else "*"
        where = text[found.end() :].removeprefix("/") if found else text
        if where in ("", "*"):
            return cls(_wild(user))
        if _WILD_ADDRESS.fullmatch(where):
            return cls(_wild(user), _wild(where))
        try:
            return cls(_wild(user), ipaddress.ip_network(where, strict=False))
        except ValueError:
            raise ValueError(
                f"{text!r} is none of USER@DOMAIN, ADDRESS, USER@DOMAIN/ADDRESS"
            ) from None

    def means(self, user: str, host: str) -> bool:
        if not self.user.fullmatch(user):
            return False
        if self.where is None:
            return True
        if isinstance(self.where, re.Pattern):
            return self.where.fullmatch(host) is not None
        try:
            return ipaddress.ip_address(host) in self.where
        except ValueError:  # a caller whom a broker brings has no address here
            return False


def _wild(text: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, text.split("*"))))


class Access:
    """Answers whether somebody at an address may do something: `Server.authorize`."""

    def __init__(
        self, allow: Mapping[str, Iterable[str]], deny: Mapping[str, Iterable[str]]
    ) -> None:
        """From the settings; what they do not say is as recommended. Raises `SettingsError`."""
        told = _entries("allow", allow)
        if Level.DAEMON in told:
            told = {**dict.fromkeys(_BY_DAEMON, told[Level.DAEMON]), **told}
        self._allow = {**_RECOMMENDED, **told}
        self._deny = _entries("deny", deny)

    def __repr__(self) -> str:
        return f"<Access to {', '.join(level.value for level in self._allow)}>"

    def __call__(self, level: Level, identity: Identity, address: str) -> bool:
        user, host = identity.user, _host(address)

        def listed(lists: Mapping[Level, tuple[Entry, ...]], level: Level) -> bool:
            return any(entry.means(user, host) for entry in lists.get(level, ()))

        # Who may more may this too.
        return not listed(self._deny, level) and any(
            listed(self._allow, more) and not listed(self._deny, more)
            for more, implied in _IMPLIED.items()
            if level in implied
        )


#: All that comes with each permission.
_IMPLIED: Final = {level: implied_by([level]) for level in Level if level is not Level.ALLOW}


def _entries(what: str, lists: Mapping[str, Iterable[str]]) -> dict[Level, tuple[Entry, ...]]:
    found: dict[Level, tuple[Entry, ...]] = {}
    for name, entries in lists.items():
        try:
            level = Level(name)
            if level is Level.ALLOW:
                raise ValueError
        except ValueError:
            known = ", ".join(level.value for level in _IMPLIED)
            raise SettingsError(f"condor.{what}: {name} is none of {known}") from None
        try:
            found[level] = tuple(Entry.of(text) for text in entries)
        except ValueError as error:
            raise SettingsError(f"condor.{what}.{name}: {error}") from None
    return found


def _host(address: str) -> str:
    """The IP address of a place ``IP:PORT``."""
    return address.rpartition(":")[0].strip("[]")


_RECOMMENDED: Final = _entries(
    "allow",
    {
        **{level.value: entries for level, entries in RECOMMENDED.items()},
        **{level.value: _CONDOR for level in _BY_DAEMON},
    },
)


def policies(secure: bool, methods: tuple[Method, ...]) -> Callable[[Level], Policy]:
    """What is wanted of a connection for each permission."""

    anything = Policy(methods=methods, duration=DAEMON_DURATION)
    if not secure:
        return lambda level: anything
    asking = replace(anything, encryption=Word.REQUIRED, integrity=Word.REQUIRED)
    telling = replace(asking, authentication=Word.REQUIRED)
    # A hello to the broker is everybody's, and comes raw.
    return lambda level: {Level.ALLOW: anything, Level.READ: asking}.get(level, telling)
