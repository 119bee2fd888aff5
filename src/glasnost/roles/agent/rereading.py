"""Settings that are read again while the agent runs: which of them can change then."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec

from glasnost.errors import SettingsError
from glasnost.settings import Settings

log = logging.getLogger("glasnost.agent")

#: What is used when the agent starts, and hangs on to what was made of it then: listeners and what
#: they serve, log, metrics, the watching of connections.
KEPT: Final = (
    "port",
    "listen",
    "websocket",
    "condor",
    "enable_ipv4",
    "enable_ipv6",
    "dead_after",
    "run",
    "metrics",
    "log",
    "log_level",
)


@dataclass(frozen=True)
class Reread:
    """``settings`` hold from now on; of those that were read, ``changed`` are others than before,
    and ``kept`` are left as they were until the next start."""

    settings: Settings
    changed: tuple[str, ...]
    kept: tuple[str, ...]

    def __str__(self) -> str:
        changed = f"changed: {', '.join(self.changed)}" if self.changed else "nothing has changed"
        kept = f"; only from the next start on: {', '.join(self.kept)}" if self.kept else ""
        return changed + kept


def reread(before: Settings, found: Settings) -> Reread:
    """What becomes of settings that were found now."""
    differ = [
        name for name in Settings.__struct_fields__ if getattr(before, name) != getattr(found, name)
    ]
    kept = tuple(name for name in differ if name in KEPT)
    settings = msgspec.structs.replace(found, **{name: getattr(before, name) for name in kept})
    return Reread(settings, tuple(name for name in differ if name not in KEPT), kept)


class Rereading:
    """``read`` gives the settings as they stand now; None: what was read first holds to the end.
    ``at`` is when they were read, in seconds since 1970."""

    def __init__(self, read: Callable[[], Settings] | None) -> None:
        self._read = read
        self.at = time.time()

    def again(self, before: Settings, try_them: Callable[[Settings], None]) -> Reread:
        """What holds from now on. Raises `SettingsError`, as ``try_them`` may."""
        at = time.time()
        try:
            if self._read is None:
                raise SettingsError("this agent does not read settings again")
            found = reread(before, self._read())
            try_them(found.settings)
        except SettingsError as error:
            log.error("the settings stay as they were: %s", error)
            raise
        self.at = at
        log.info("the settings were read again: %s", found)
        return found
