"""Every exception of Glasnost.

::

    GlasnostError
    ├── AddressError      a text is not an address: the column and what was expected
    │   └── SinfulError   nor one of HTCondor's
    ├── FormError         JSON or MessagePack is not the form of an address: where, and why
    ├── BadName           a text is not a name in this pool
    ├── SettingsError     a setting, a file or a flag cannot be used
    ├── TrustError        a certificate, token or signature does not hold
    ├── ProtocolError     the peer sent bytes that are no message of ours
    ├── Refused           the peer understood, and said no: a code and its sentence
    │   └── UnknownName   the directory knows no such name
    ├── StageFailed       one stage of one route could not be crossed
    ├── ConnectFailed     no route led to the endpoint: the plan and every attempt
    ├── PathCut           an established connection ended without its proper end
    └── Unavailable       something of ours that is needed is not running or not set up

Whose fault: `ProtocolError` and `Refused` are the peer's, `SettingsError` the user's, a bug of
ours is an `AssertionError`. The command line prints any `GlasnostError` as one sentence.
"""

from __future__ import annotations

from collections.abc import Sequence


class GlasnostError(Exception):
    """Something a user or a peer can cause; its text is a sentence for a person."""


class AddressError(GlasnostError, ValueError):
    """A text is not an address. ``column`` is 1-based, in the whole text that was given."""

    def __init__(self, text: str, column: int, expected: str) -> None:
        super().__init__(text, column, expected)
        self.text = text
        self.column = column
        self.expected = expected

    def __str__(self) -> str:
        return f"column {self.column}: expected {self.expected}"


class SinfulError(AddressError):
    """A text is none of HTCondor's address strings, or one that crashes HTCondor."""


class FormError(GlasnostError, ValueError):
    """JSON, MessagePack or builtin types are no form of an address. ``place`` is a JSON path."""

    def __init__(self, place: str, expected: str) -> None:
        super().__init__(place, expected)
        self.place = place
        self.expected = expected

    def __str__(self) -> str:
        return f"at {self.place}: expected {self.expected}"


class BadName(GlasnostError, ValueError):
    """A text is not a name that can stand in this pool."""

    def __init__(self, text: str, why: str) -> None:
        super().__init__(text, why)
        self.text = text
        self.why = why

    def __str__(self) -> str:
        return f"{self.text!r} is not a usable name: {self.why}"


class SettingsError(GlasnostError):
    """A setting, a file or a flag cannot be used as it is."""


class TrustError(GlasnostError):
    """A certificate, a token or a signature does not hold."""


class ProtocolError(GlasnostError):
    """The peer sent bytes that are no message of ours, or a message out of place."""


class Refused(GlasnostError):
    """The peer understood and said no. ``code`` is for programs, ``why`` for people."""

    def __init__(self, code: str, why: str = "") -> None:
        super().__init__(code, why)
        self.code = code
        self.why = why

    def __str__(self) -> str:
        return self.why or self.code


class UnknownName(Refused):
    """The directory knows no such name."""


class StageFailed(GlasnostError):
    """One stage of a path could not be crossed; the reason hangs below as ``__cause__``.

    ``number`` counts the route's stages from 1; those of the exit that leads to it end at 0.
    """

    def __init__(self, number: int, stage: str, why: str) -> None:
        super().__init__(number, stage, why)
        self.number = number
        self.stage = stage
        self.why = why

    def __str__(self) -> str:
        place = f"stage {self.number}" if self.number > 0 else "exit"
        return f"{place} ({self.stage}): {self.why}"


class ConnectFailed(GlasnostError):
    """No route led to the endpoint.

    ``plan`` is what was considered, ``traces`` has one `core.routes.trace.Trace` for each path
    that was tried, whose text is a sentence, ``discarded`` one sentence for each route that was
    not. The attempts' own exceptions hang below as an `ExceptionGroup`.
    """

    def __init__(
        self, name: str, plan: object, traces: Sequence[object], discarded: Sequence[str]
    ) -> None:
        super().__init__(name, plan, tuple(traces), tuple(discarded))
        self.name = name
        self.plan = plan
        self.traces = tuple(traces)
        self.discarded = tuple(discarded)

    def __str__(self) -> str:
        lines = [f"no route leads to {self.name}"]
        lines += [f"  tried: {trace}" for trace in self.traces]
        lines += [f"  not used: {line}" for line in self.discarded]
        return "\n".join(lines)


class PathCut(GlasnostError, ConnectionError):
    """An established connection ended without its proper end: bytes may be missing."""


class Unavailable(GlasnostError):
    """Something of ours that is needed is not running, or not set up on this host."""
