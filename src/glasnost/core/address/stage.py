"""One step of a route: a kind, its arguments, its options.

A stage of a kind we know is checked and made canonical when it is built, however it is built. Any
other is carried: it prints the bytes it was read from.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from sys import intern

from glasnost.core.address import reading
from glasnost.core.address.kinds import KNOWN, PLAIN
from glasnost.core.address.landing import Landing, parse_reach, reach_text
from glasnost.core.address.spelling import decode, fields


@dataclass(frozen=True, slots=True, repr=False, init=False)
class Stage:
    """One step of a route. Arguments and option values are decoded; ``str()`` encodes them.

    Directories hold very many, so a stage keeps its text and reads all else from there.

    >>> str(Stage("ip6", ("2001:DB8::7", "09618")))
    'ip6:[2001:db8::7]:9618'
    """

    kind: str = field(compare=False)
    #: How it is written. Says all that there is to say, so it alone is compared.
    text: str

    def __init__(
        self, kind: str, args: tuple[str, ...] = (), options: tuple[tuple[str, str], ...] = ()
    ) -> None:
        _set_text(self, reading.canonical(kind, args, options))
        _set_kind(self, intern(kind))

    @classmethod
    def parse(cls, text: str) -> Stage:
        """Read what ``str()`` writes.

        >>> Stage.parse("ccb:node7:reach=ip4@public").option("reach")
        'ip4@public'
        """
        if (plain := PLAIN.fullmatch(text)) is not None:
            kind = plain[plain.lastindex or 0]
        else:
            kind, text = reading.read(text)
        stage = _new(cls)
        _set_text(stage, text)
        _set_kind(stage, intern(kind))
        return stage

    @classmethod
    def ip(cls, host: str, port: int) -> Stage:
        """The origin stage for an IP literal of either protocol.

        >>> str(Stage.ip("192.0.2.1", 9618)), str(Stage.ip("fe80::1%eth0", 9618))
        ('ip4:192.0.2.1:9618', 'ip6:[fe80::1%25eth0]:9618')
        """
        return cls("ip6" if ":" in host else "ip4", (host, str(port)))

    @classmethod
    def unix(cls, path: str) -> Stage:
        """The origin stage for a Unix socket on this machine."""
        return cls("unix", (path,))

    @classmethod
    def service(cls, name: str) -> Stage:
        """Ask a shared port for one of its endpoints."""
        return cls("service", (name,))

    @classmethod
    def ccb(cls, contact: str, reach: Iterable[Landing] | None = None) -> Stage:
        """Ask a broker for a target; ``reach`` is what the target can dial, None if unknown.

        >>> str(Stage.ccb("node7", ())), str(Stage.ccb("node7"))
        ('ccb:node7:reach=none', 'ccb:node7')
        """
        return cls("ccb", (contact,), () if reach is None else (("reach", reach_text(reach)),))

    @property
    def args(self) -> tuple[str, ...]:
        """The arguments, decoded."""
        return tuple([decode(word) for word in fields(self.text)[1:] if "=" not in word])

    @property
    def options(self) -> tuple[tuple[str, str], ...]:
        """Keys and decoded values, in the order they are written."""
        if "=" not in self.text:
            return ()
        pairs = [word.split("=") for word in fields(self.text) if "=" in word]
        return tuple([(key, decode(value)) for key, value in pairs])

    @property
    def carried(self) -> bool:
        """Whether this is kept as it was written, because we cannot judge it."""
        return self.kind not in KNOWN or self.overfull

    @property
    def overfull(self) -> bool:
        """Whether this has more arguments than its kind had when this program was written."""
        known, text = KNOWN.get(self.kind), self.text
        if known is None or text.count(":") <= len(known.arguments):
            return False
        if "[" in text:  # leave out the colons of one IPv6 literal
            colons = text.count(":", 0, text.index("[")) + text.count(":", text.index("]"))
            if colons <= len(known.arguments):
                return False
        # Counting colons counts options, too.
        return len(self.args) > len(known.arguments)

    @property
    def critical(self) -> tuple[str, ...]:
        """The keys of the options that whoever crosses this stage must understand."""
        return tuple(key for key, _ in self.options if key[0].isupper())

    @property
    def reach(self) -> frozenset[Landing] | None:
        """The reachable set written in the stage, None if it says nothing about that."""
        text = self.option("reach")
        return None if text is None else parse_reach(text)

    def option(self, key: str) -> str | None:
        """The value of an option, None if the stage has none of that name."""
        return next((value for name, value in self.options if name == key), None)

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"Stage.parse({self.text!r})"


# A frozen dataclass is filled past its own __setattr__; the slots' setters do that in half the time
# of object.__setattr__, and reading an address is mostly this.
_new = object.__new__
_set_kind = Stage.__dict__["kind"].__set__
_set_text = Stage.__dict__["text"].__set__
