"""What is set: names without regard to case, prefixes of subsystem and local name, defaults."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from glasnost.condor.config.defaults import DEFAULTS, FOUND_OUT, OWN_ADDRESSES
from glasnost.condor.config.macros import Macro, expand, with_dollars
from glasnost.condor.config.statements import Wrong

_NAME: Final = re.compile(r"[\w./]+", re.ASCII)


class Table:
    """The names that are set, as one program sees them: ``TOOL.X`` counts before ``X`` for a
    tool, and ``LOCAL.X`` before both where it has a local name."""

    def __init__(self, subsystem: str, local_name: str, environ: Mapping[str, str]) -> None:
        self.prefixes = [one.lower() for one in (local_name, subsystem) if one]
        self.environ = environ
        self._set: dict[str, str] = {}
        #: What is found out when somebody asks for it.
        self.found_out: Callable[[], Mapping[str, str]] | None = None
        #: Names that were asked for and are set nowhere that was read.
        self.missed: set[str] = set()

    def raw(self, name: str) -> str | None:
        """What a name is set to, its macros as they stand; None where it is not set.

        Raises `Wrong` for what HTCondor finds out by itself and nobody has found out here.
        """
        name = name.lower()
        for prefix in self.prefixes:
            if (value := self._set.get(f"{prefix}.{name}")) is not None:
                return value
        if (value := self._set.get(name)) is not None:
            return value
        if name in OWN_ADDRESSES and self.found_out is not None:
            return self.found_out()[name]
        if name in FOUND_OUT or name in OWN_ADDRESSES:
            raise Wrong(f"$({name.upper()}) is found out by HTCondor itself, and is not known here")
        if (value := DEFAULTS.get(name)) is None:
            self.missed.add(name.upper())
        return value

    def expand(self, text: str) -> str:
        """A text with all its macros replaced."""
        return with_dollars(expand(text, self.raw, self.environ))

    def value(self, name: str) -> str:
        """What a name is worth in the end. Nothing is as good as empty."""
        return self.expand(self.raw(name) or "")

    def set(self, name: str, value: str) -> None:
        """Set a name. Only what the value says of itself is replaced now."""
        self._set[checked(name).lower()] = self.without_self(name, value)

    def set_from_outside(self, name: str, value: str) -> None:
        """The same for what is no line of a file: any name does, and what was set nowhere is
        not asked for (HTCondor keeps these apart)."""
        if name.lower() in self._set:
            value = self.without_self(name, value)
        self._set[name.lower()] = value

    def without_self(self, name: str, value: str) -> str:
        """The value with its macros of that very name replaced by what it is worth so far."""
        selves = {name.lower()}
        first, _, rest = name.lower().partition(".")
        if rest and first in self.prefixes:
            selves.add(rest)

        def itself(macro: Macro) -> bool:
            return not macro.function and macro.name.lower() in selves

        return expand(value, self.raw, self.environ, itself)


def checked(name: str) -> str:
    """The name, if it is one that can be set."""
    if not _NAME.fullmatch(name):
        raise Wrong(f"{name!r} is no name of a setting")
    return name
