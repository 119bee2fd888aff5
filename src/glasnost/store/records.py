"""What a directory's store promises, and the store that only remembers.

The promises, which `tests/store` holds every store to:

- After `commit` has returned, all of its changes survive the death of the process (and, where the
  store is on a disk, of the machine); when it raises, or never returned, all or none do.
- `load` gives what was put last and not deleted since.
- Commits take effect in the order of their calls. Whoever calls may wait for one before the next:
  what gathers meanwhile is the next group, and shares its sync.
- A store that turns out to be damaged is put aside, nothing of it deleted, and begins anew, empty:
  ``lost`` says so. The owners of records publish them again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

from glasnost.core.protocols.writes import Stored


class RecordStore(Protocol):
    """Records by full name."""

    #: What became of a damaged store, for people; empty: it never was.
    lost: str

    async def load(self) -> dict[str, Stored]:
        """Everything, once, before anything else. Raises `SettingsError` if this store cannot be
        used."""

    async def commit(self, puts: Mapping[str, Stored], deletes: Collection[str]) -> None:
        """Make these changes durable, all or none; the names of both are different ones. Raises
        `Unavailable`; where ``lost`` has changed since, the store is empty now."""

    async def close(self) -> None:
        """Let go, once nothing more is committed."""


class MemoryRecords:
    """Keeps records for as long as the process lives: for tests, and where agents may as well
    publish again."""

    def __init__(self) -> None:
        self.lost = ""
        self._rows: dict[str, Stored] = {}

    async def load(self) -> dict[str, Stored]:
        return dict(self._rows)

    async def commit(self, puts: Mapping[str, Stored], deletes: Collection[str]) -> None:
        self._rows |= puts
        for name in deletes:
            self._rows.pop(name, None)

    async def close(self) -> None:
        pass
