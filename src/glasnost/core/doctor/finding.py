"""What a doctor says: a finding, how grave it is, and what to do."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Area(enum.StrEnum):
    """Where one looks, in this order."""

    HOME = "home and permissions"
    SETTINGS = "settings"
    CERTIFICATE = "certificate"
    CLOCK = "clock"
    DESCRIPTORS = "descriptors"
    AGENT = "agent"
    DIRECTORIES = "directories"
    BROKERS = "brokers"
    OUTGOING = "outgoing"
    INCOMING = "incoming, from outside"


class Severity(enum.StrEnum):
    """``note``: worth knowing, and right as it is; ``warning``: works, and not as well as it could,
    or not for long; ``problem``: something does not work."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence about one thing, and what to do about it (nothing, where it is well)."""

    area: Area
    severity: Severity
    what: str
    do: str = ""


class Writer:
    """Writes the findings of one area.

    >>> Writer(Area.CLOCK).ok("it agrees").severity
    <Severity.OK: 'ok'>
    """

    def __init__(self, area: Area) -> None:
        self._area = area

    def ok(self, what: str) -> Finding:
        return Finding(self._area, Severity.OK, what)

    def note(self, what: str, do: str = "") -> Finding:
        return Finding(self._area, Severity.NOTE, what, do)

    def warning(self, what: str, do: str) -> Finding:
        return Finding(self._area, Severity.WARNING, what, do)

    def problem(self, what: str, do: str) -> Finding:
        return Finding(self._area, Severity.PROBLEM, what, do)
