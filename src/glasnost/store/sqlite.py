"""A directory's records in one SQLite file, written by one thread.

The file is in WAL mode with ``synchronous=FULL``: the log is synced at every commit, so what was
acknowledged survives a loss of power. ``NORMAL`` would only survive our own death. The price is
one sync for each group, and while it lasts the next group gathers, so it bounds the delay and
not the rate.

The file is locked for as long as it is open: two directories on one file would each serve a
half. (With the exclusive lock SQLite needs no shared memory file either.)
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Final, TypeVar

from glasnost.core.protocols.writes import Stored
from glasnost.core.wire.messages import Signed
from glasnost.errors import SettingsError, Unavailable

#: "GNSD" in the file's header, so that we never write into somebody else's database.
APPLICATION_ID: Final = 0x474E5344
#: What the tables look like.
SCHEMA_VERSION: Final = 1
#: How long to wait for the lock: a directory that is being restarted may still be ending.
LOCK_TIMEOUT: Final = 2.0

_SCHEMA: Final = """
    CREATE TABLE records (
        name TEXT PRIMARY KEY, published REAL NOT NULL,
        payload BLOB NOT NULL, signature BLOB NOT NULL, certificate BLOB NOT NULL
    )
"""

#: What SQLite calls a file that is none, or has become none. A statement of ours that is an error
#: means that our tables are not there any more.
_DAMAGE: Final = ("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_ERROR")

_T = TypeVar("_T")


class _Damaged(Exception):
    """What is in the file is not what was put there; the sentence says what is wrong."""


class SqliteRecords:
    """A `RecordStore` in the file at ``path``, which is made when it is not there."""

    def __init__(self, path: Path) -> None:
        self.lost = ""
        self._path = path
        self._database: sqlite3.Connection | None = None
        self._reopen = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="glasnost-sqlite")

    def __repr__(self) -> str:
        return f"<SqliteRecords {self._path}>"

    async def load(self) -> dict[str, Stored]:
        return await self._run(self._load)

    async def commit(self, puts: Mapping[str, Stored], deletes: Collection[str]) -> None:
        await self._run(lambda: self._commit(puts, deletes))

    async def close(self) -> None:
        await self._run(self._close)
        self._thread.shutdown(wait=False)

    async def _run(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    # --- in the thread --------------------------------------------------------------------------

    def _load(self) -> dict[str, Stored]:
        assert self._database is None, "it is open already"
        try:
            return self._read()
        except _Damaged as damage:
            self._put_aside(damage)
            return self._read()

    def _read(self) -> dict[str, Stored]:
        """Open the file; all rows. Raises `_Damaged`, `SettingsError`."""
        try:
            self._database = _open(self._path)
            rows = self._database.execute(
                "SELECT name, published, payload, signature, certificate FROM records"
            )
            return dict(map(_row, rows))
        except BaseException as error:
            self._close()
            raise _explained(error, self._path) from error

    def _put_aside(self, damage: _Damaged) -> None:
        """Move the damaged file to where the last one was. Raises `SettingsError`."""
        aside = self._path.with_name(f"{self._path.name}.damaged")
        try:
            for ending in ("-wal", ""):
                file = self._path.with_name(self._path.name + ending)
                if file.exists():
                    file.replace(aside.with_name(aside.name + ending))
        except OSError as error:
            raise SettingsError(f"cannot use {self._path}: {damage} ({error.strerror})") from error
        self.lost = f"{self._path} was damaged ({damage}) and is {aside.name} now; it began empty"

    def _commit(self, puts: Mapping[str, Stored], deletes: Collection[str]) -> None:
        if self._reopen:
            self._open_again()
        if self._database is None:
            raise Unavailable(f"{self._path} is not open")
        rows = [
            (name, at, signed.payload, signed.signature, signed.certificate)
            for name, (signed, at) in puts.items()
        ]
        try:
            with self._database:  # one transaction
                self._database.execute("BEGIN IMMEDIATE")
                self._database.executemany(
                    "DELETE FROM records WHERE name = ?", [(name,) for name in deletes]
                )
                self._database.executemany(
                    "INSERT OR REPLACE INTO records VALUES (?, ?, ?, ?, ?)", rows
                )
        except sqlite3.Error as error:
            if _is_damage(error):
                self._replace(_Damaged(_sentence(error)))
            raise Unavailable(f"cannot write {self._path}: {_sentence(error)}") from error

    def _replace(self, damage: _Damaged) -> None:
        """Begin anew while we serve; until that is done, every commit tries it again."""
        self._close()
        self._reopen = True
        try:
            self._put_aside(damage)
        except SettingsError as error:
            raise Unavailable(str(error)) from damage
        self._open_again()

    def _open_again(self) -> None:
        try:
            self._load()
        except SettingsError as error:
            raise Unavailable(str(error)) from error
        self._reopen = False

    def _close(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None


def _open(path: Path) -> sqlite3.Connection:
    """Our database, ours alone. Raises OSError, sqlite3.Error or `SettingsError`."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Made here, since SQLite would make it readable to all; its log gets the same mode.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    database = sqlite3.connect(path, timeout=LOCK_TIMEOUT, isolation_level=None)
    database.text_factory = bytes.decode  # raises what it is: UnicodeDecodeError
    try:
        _prepare(database, path)
    except BaseException:
        database.close()
        raise
    return database


def _prepare(database: sqlite3.Connection, path: Path) -> None:
    database.execute("PRAGMA locking_mode = EXCLUSIVE")
    database.execute("PRAGMA synchronous = FULL")
    found, version = _pragma(database, "application_id"), _pragma(database, "user_version")
    if (found, version) == (0, 0) and not _pragma(database, "schema_version"):
        database.execute("PRAGMA journal_mode = WAL")
        with database:
            database.execute("BEGIN IMMEDIATE")
            database.execute(_SCHEMA)
            database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    elif found != APPLICATION_ID:
        raise SettingsError(f"cannot use {path}: it is a database of something else")
    elif version != SCHEMA_VERSION:
        raise SettingsError(f"cannot use {path}: its version is {version}, not {SCHEMA_VERSION}")
    database.execute("PRAGMA journal_mode = WAL")
    (found,) = database.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        raise _Damaged(found.splitlines()[-1])  # above it stands which database is meant
    # Take the lock now and not at the first write.
    database.execute("BEGIN EXCLUSIVE")
    database.execute("COMMIT")


def _pragma(database: sqlite3.Connection, name: str) -> int:
    with closing(database.execute(f"PRAGMA {name}")) as rows:
        return int(rows.fetchone()[0])


def _row(row: tuple[object, ...]) -> tuple[str, Stored]:
    """A row as we write them. Raises `_Damaged`."""
    match row:
        case [str(name), float(at), bytes(payload), bytes(signature), bytes(certificate)]:
            return name, Stored(Signed(payload, signature, certificate), at)
    raise _Damaged("a row of it is none of ours")


def _explained(error: BaseException, path: Path) -> BaseException:
    """What a failed opening is to its caller."""
    if isinstance(error, UnicodeDecodeError) or _is_damage(error):
        return _Damaged(_sentence(error))
    if isinstance(error, OSError):
        return SettingsError(f"cannot use {path}: {error.strerror}")
    if isinstance(error, sqlite3.Error):
        return SettingsError(f"cannot use {path}: {_sentence(error)}")
    return error


def _is_damage(error: BaseException) -> bool:
    name = getattr(error, "sqlite_errorname", "")
    return isinstance(error, sqlite3.Error) and name.startswith(_DAMAGE)


def _sentence(error: BaseException) -> str:
    """SQLite's own words, or better ones."""
    match getattr(error, "sqlite_errorname", ""):
        case "SQLITE_BUSY":
            return "it is locked by another process (does a directory run on it already?)"
        case _:
            return str(error)
