"""What an authority must not forget, in one SQLite file: tokens, nodes, certificates, revocations.

Written by the authority's daemon and by ``glasnost token create`` at the same time, so each
transaction opens the file, takes the write lock, and lets go of both. They are rare: a node renews
every few days. What may be enrolled, the authority decides; it does so inside one transaction.

Nobody else knows what stands here. So a ledger that is damaged or gone is never made anew: that
would let used tokens and revoked keys back in. A person restores a copy.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from glasnost.errors import SettingsError, Unavailable

#: "GNSA" in the file's header, so that we never write into somebody else's database.
APPLICATION_ID: Final = 0x474E5341
#: What the tables look like.
SCHEMA_VERSION: Final = 1
#: How long to wait for the lock, seconds: a transaction is one signature and one sync of a disk.
LOCK_TIMEOUT: Final = 5.0
#: How long a token is remembered after its end, seconds: so long its late user is told which of
#: "used" and "expired" it is, then it is one that was never made.
REMEMBER_TOKENS: Final = 30 * 86_400.0

#: What SQLite calls a file that is none, or has become none. A statement of ours that is an error
#: means that our tables are not there any more.
_DAMAGE: Final = ("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_ERROR")

_TABLES: Final = ("tokens", "nodes", "certificates", "revocations")
_SCHEMA: Final = (
    """CREATE TABLE tokens (
        id TEXT PRIMARY KEY, secret_hash BLOB NOT NULL, node TEXT NOT NULL,
        networks BLOB NOT NULL, not_after REAL NOT NULL, replaces INTEGER NOT NULL, used REAL
    )""",
    # Who holds a name now: the key (SubjectPublicKeyInfo) that may renew.
    """CREATE TABLE nodes (
        name TEXT PRIMARY KEY, public_key BLOB NOT NULL, networks BLOB NOT NULL
    )""",
    """CREATE TABLE certificates (
        serial TEXT PRIMARY KEY, node TEXT NOT NULL, public_key BLOB NOT NULL,
        issued REAL NOT NULL, not_after REAL NOT NULL
    )""",
    """CREATE TABLE revocations (
        public_key BLOB PRIMARY KEY, node TEXT NOT NULL, at REAL NOT NULL
    )""",
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {SCHEMA_VERSION}",
)


@dataclass(frozen=True)
class Token:
    """A join token as it is kept: its secret is not. ``used`` is when, None: not yet."""

    id: str
    secret_hash: bytes
    node: str
    networks: tuple[str, ...]
    not_after: float
    replaces: bool
    used: float | None = None


@dataclass(frozen=True)
class Holder:
    """Who holds a node's name, and the networks that node is on."""

    public_key: bytes
    networks: tuple[str, ...]


class Ledger:
    """The authority's file at ``path``; `create` makes it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __repr__(self) -> str:
        return f"<Ledger {self._path}>"

    @classmethod
    def create(cls, path: Path) -> Ledger:
        """A new, empty ledger, for its owner's eyes alone."""
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        ledger = cls(path)
        with ledger._open() as database:
            for statement in _SCHEMA:
                database.execute(statement)
        return ledger

    def check(self) -> None:
        """Whether all of it can be read. Raises as `transaction` does."""
        with self._open() as database:
            _check(database, self._path)
            (found,) = database.execute("PRAGMA quick_check(1)").fetchone()
            for table in _TABLES:
                database.execute(f"SELECT count(*) FROM {table}").fetchone()
        if found != "ok":
            raise SettingsError(_damaged(self._path, found.splitlines()[-1]))

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """All of what is done inside happens, or, when it raises, nothing of it.

        Raises `Unavailable` when the file cannot be used now, `SettingsError` when it is not ours
        or damaged.
        """
        with self._open() as database:
            _check(database, self._path)
            yield Transaction(database)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            # mode=rw: a file that is missing is not made anew, with other permissions.
            database = sqlite3.connect(
                f"{self._path.absolute().as_uri()}?mode=rw",
                uri=True,
                timeout=LOCK_TIMEOUT,
                isolation_level=None,
            )
            database.text_factory = bytes.decode  # raises what it is: UnicodeDecodeError
            try:
                database.execute("BEGIN IMMEDIATE")
                yield database
                database.execute("COMMIT")
            finally:
                database.close()  # without COMMIT: nothing has happened
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise SettingsError(_damaged(self._path, str(error))) from error
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorname", "").startswith(_DAMAGE):
                raise SettingsError(_damaged(self._path, str(error))) from error
            if not self._path.exists():
                raise Unavailable(f"{self._path} is not there: restore a copy of it") from error
            raise Unavailable(f"cannot use {self._path}: {error}") from error


class Transaction:
    """What can be asked and noted while the ledger is locked."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def add_token(self, token: Token, now: float) -> None:
        self._database.execute("DELETE FROM tokens WHERE not_after < ?", (now - REMEMBER_TOKENS,))
        self._database.execute(
            "INSERT INTO tokens VALUES (?, ?, ?, ?, ?, ?, NULL)",
            (
                token.id,
                token.secret_hash,
                token.node,
                _pack(token.networks),
                token.not_after,
                token.replaces,
            ),
        )

    def token(self, token_id: str) -> Token | None:
        row = self._database.execute(
            "SELECT id, secret_hash, node, networks, not_after, replaces, used"
            " FROM tokens WHERE id = ?",
            (token_id,),
        ).fetchone()
        if row is None:
            return None
        found, secret_hash, node, networks, not_after, replaces, used = row
        return Token(found, secret_hash, node, _unpack(networks), not_after, bool(replaces), used)

    def use_token(self, token_id: str, now: float) -> None:
        changed = self._database.execute(
            "UPDATE tokens SET used = ? WHERE id = ? AND used IS NULL", (now, token_id)
        )
        assert changed.rowcount == 1, "a token is looked at and used in one transaction"

    def open_tokens(self, now: float) -> int:
        """How many tokens could be used now."""
        return self._count("tokens WHERE used IS NULL AND not_after >= ?", now)

    def nodes(self) -> int:
        """How many names are held."""
        return self._count("nodes")

    def holder(self, node: str) -> Holder | None:
        row = self._database.execute(
            "SELECT public_key, networks FROM nodes WHERE name = ?", (node,)
        ).fetchone()
        return None if row is None else Holder(row[0], _unpack(row[1]))

    def hold(self, node: str, holder: Holder) -> None:
        """From now on this key holds the name, and no other."""
        self._database.execute(
            "INSERT OR REPLACE INTO nodes VALUES (?, ?, ?)",
            (node, holder.public_key, _pack(holder.networks)),
        )

    def note_certificate(
        self, serial: int, node: str, public_key: bytes, issued: float, not_after: float
    ) -> None:
        # Serials have 160 bits, SQLite's numbers 64.
        self._database.execute(
            "INSERT INTO certificates VALUES (?, ?, ?, ?, ?)",
            (f"{serial:x}", node, public_key, issued, not_after),
        )

    def revoke(self, node: str, now: float) -> int:
        """Revoke every key that this node has had a certificate for; how many there were."""
        done = self._database.execute(
            "INSERT OR IGNORE INTO revocations"
            " SELECT DISTINCT public_key, node, ? FROM certificates WHERE node = ?",
            (now, node),
        )
        return done.rowcount

    def is_revoked(self, public_key: bytes) -> bool:
        return self._count("revocations WHERE public_key = ?", public_key) > 0

    def _count(self, what: str, *arguments: float | bytes) -> int:
        """``what`` is SQL of ours; what comes from elsewhere is an argument."""
        (number,) = self._database.execute(
            f"SELECT count(*) FROM {what}",
            arguments,
        ).fetchone()
        return int(number)


def _damaged(path: Path, why: str) -> str:
    return f"{path} is damaged ({why}): restore a copy of it"


def _check(database: sqlite3.Connection, path: Path) -> None:
    (found,) = database.execute("PRAGMA application_id").fetchone()
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if found != APPLICATION_ID:
        raise SettingsError(f"cannot use {path}: it is a database of something else")
    if version != SCHEMA_VERSION:
        raise SettingsError(f"cannot use {path}: its version is {version}, not {SCHEMA_VERSION}")


def _pack(networks: tuple[str, ...]) -> bytes:
    return msgspec.json.encode(networks)


def _unpack(networks: bytes) -> tuple[str, ...]:
    return msgspec.json.decode(networks, type=tuple[str, ...])
