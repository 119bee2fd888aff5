"""One step of a route: a kind, its arguments, its options.

A stage of a kind we know is checked and made canonical when it is built, however it is built. Any
other is carried: it prints the bytes it was read from.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from glasnost.core.address.kinds import ARGUMENTS, OPTIONS
from glasnost.core.address.landing import Landing, parse_reach, reach_text
from glasnost.core.address.spelling import (
    A_WORD,
    KEY,
    STAGE,
    VALUE,
    WORD,
    columns,
    decode,
    encode,
    fields,
    is_sound,
    misshapen,
)
from glasnost.errors import AddressError


@dataclass(frozen=True, slots=True, repr=False)
class Stage:
    """One step of a route. Arguments and option values are decoded; ``str()`` encodes them.

    >>> str(Stage("ip6", ("2001:DB8::7", "09618")))
    'ip6:[2001:db8::7]:9618'
    """

    kind: str = field(compare=False)
    args: tuple[str, ...] = field(default=(), compare=False)
    options: tuple[tuple[str, str], ...] = field(default=(), compare=False)
    #: How it is written. Says all that the fields above say, so it alone is compared.
    text: str = field(init=False)

    def __post_init__(self) -> None:
        if self.carried:
            self._check_shape()
        else:
            object.__setattr__(self, "args", self._canonical_args())
        if self.options:
            object.__setattr__(self, "options", self._canonical_options())
        object.__setattr__(self, "text", self._spelt())

    @classmethod
    def parse(cls, text: str) -> Stage:
        """Read what ``str()`` writes.

        >>> Stage.parse("ccb:node7:reach=ip4@public").option("reach")
        'ip4@public'
        """
        if not STAGE.fullmatch(text):
            raise misshapen(text)
        kind, *words = fields(text)
        # Reading an IPv6 literal is dear: the stage made for them judges its own.
        if "[" in text and (kind != "ip6" or len(words) != 2):
            if not all(is_sound(word.rpartition("=")[2]) for word in words):
                raise misshapen(text)
        pairs = [word.split("=") for word in words if "=" in word] if "=" in text else []
        args = words[: len(words) - len(pairs)]
        try:
            options = tuple([(key, decode(value)) for key, value in pairs])
            stage = cls(kind, tuple([decode(word) for word in args]), options)
        except AddressError as error:
            # The constructor counted in its own spelling of the same fields.
            at = columns(error.text).index(error.column)
            raise AddressError(text, columns(text)[at], error.expected) from None
        except ValueError:
            raise misshapen(text) from None
        if stage.carried:
            object.__setattr__(stage, "text", text)
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
    def carried(self) -> bool:
        """Whether this is kept as it was written, because we cannot judge it."""
        known = ARGUMENTS.get(self.kind)
        return known is None or len(self.args) > len(known)

    @property
    def overfull(self) -> bool:
        """Whether this has more arguments than its kind had when this program was written."""
        return self.kind in ARGUMENTS and self.carried

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

    def _spelt(self) -> str:
        words = [self.kind, *map(encode, self.args)]
        if self.kind == "ip6" and self.args and ":" in self.args[0] and not self.carried:
            literal, percent, zone = self.args[0].partition("%")
            words[1] = f"[{literal}%25{encode(zone)}]" if percent else f"[{literal}]"
        words += [f"{key}={encode(value)}" for key, value in self.options]
        return ":".join(words)

    def _check_shape(self) -> None:
        if not WORD.fullmatch(self.kind):
            raise AddressError(self.kind, 1, f"a stage kind ({A_WORD})")
        for index, value in enumerate(self.args, 1):
            if not VALUE.fullmatch(value):
                raise self._error(index, "an argument that is not empty and is Unicode")

    def _canonical_args(self) -> tuple[str, ...]:
        args = []
        for index, known in enumerate(ARGUMENTS[self.kind]):
            value = known.canonical(self.args[index]) if index < len(self.args) else None
            if value is None:
                raise self._error(1 + index, known.expected)
            args.append(value)
        return tuple(args)

    def _canonical_options(self) -> tuple[tuple[str, str], ...]:
        known = {} if self.carried else OPTIONS.get(self.kind, {})
        options: dict[str, str] = {}
        for index, (key, value) in enumerate(self.options, 1 + len(self.args)):
            if not KEY.fullmatch(key) or not VALUE.fullmatch(value):
                raise AddressError(key, 1, f"an option's key ({A_WORD}) and a value in Unicode")
            if key in options:
                raise self._error(index, f"a key other than {key!r}, which was given before")
            canonical = known[key].canonical(value) if key in known else value
            if canonical is None:
                raise self._error(index, known[key].expected)
            options[key] = canonical
        return tuple(options.items())

    def _error(self, index: int, expected: str) -> AddressError:
        """Something is wrong with field ``index``, counted from 0, which is the kind."""
        text = self._spelt()
        return AddressError(text, columns(text)[index], expected)
