"""A damaged store begins anew, keeps the damaged file, and says so; it is never a traceback."""

from __future__ import annotations

import asyncio
import random
import shutil
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from glasnost.core.protocols.writes import Stored
from glasnost.core.wire.messages import Signed
from glasnost.errors import SettingsError, Unavailable
from glasnost.store.sqlite import SqliteRecords

MANY = {
    f"s{number}.n1.lab": Stored(Signed(b"p" * 500, b"s" * 70, b"c" * 400), 1e9 + number)
    for number in range(300)
}
NEW = {"new.n1.lab": Stored(Signed(b"payload", b"signature", b"certificate"), 2e9)}


def play(path: Path, scenario: Callable[[SqliteRecords], Awaitable[None]]) -> SqliteRecords:
    """A scenario on the store in this file, which it loads itself."""

    async def whole() -> SqliteRecords:
        store = SqliteRecords(path)
        try:
            await scenario(store)
        finally:
            await store.close()
        return store

    return asyncio.run(whole())


def load(path: Path) -> tuple[dict[str, Stored], str]:
    """What the store has, and what became of a damaged one; then it takes a commit, and has it."""
    rows: dict[str, Stored] = {}

    async def first(store: SqliteRecords) -> None:
        rows.update(await store.load())
        await store.commit(NEW, ())

    async def again(store: SqliteRecords) -> None:
        assert await store.load() == rows | NEW

    lost = play(path, first).lost
    assert play(path, again).lost == ""
    return rows, lost


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with rows, and a log with further ones, as a kill leaves them."""
    folder = tmp_path_factory.mktemp("original")

    async def fill(store: SqliteRecords) -> None:
        await store.load()
        names = list(MANY)
        await store.commit({name: MANY[name] for name in names[:200]}, ())

    async def fill_log(store: SqliteRecords) -> None:
        await store.load()
        for name in list(MANY)[200:]:
            await store.commit({name: MANY[name]}, ())
        for ending in ("", "-wal"):
            shutil.copy(folder / f"open.sqlite{ending}", folder / f"records.sqlite{ending}")

    play(folder / "open.sqlite", fill)
    play(folder / "open.sqlite", fill_log)
    return folder / "records.sqlite"


@pytest.fixture
def path(original: Path, tmp_path: Path) -> Path:
    for ending in ("", "-wal"):
        shutil.copy(original.with_name(original.name + ending), tmp_path)
    return tmp_path / original.name


def test_what_a_kill_leaves_is_whole(path: Path) -> None:
    assert load(path) == (MANY, "")


@pytest.mark.parametrize("ending", ["", "-wal"])
@pytest.mark.parametrize("seed", range(40))
def test_bytes_flipped_anywhere(path: Path, ending: str, seed: int) -> None:
    """What is loaded is what was put, but for what the signatures of records will tell; or the
    store has begun anew, and the old one is there to be looked at."""
    chance = random.Random(seed)
    file = path.with_name(path.name + ending)
    data = bytearray(file.read_bytes())
    # Half of them where everything hangs on: headers and the first pages.
    reach = len(data) if seed % 2 else 4096
    for _ in range(chance.choice([1, 8, 64])):
        data[chance.randrange(reach)] ^= chance.randrange(1, 256)
    file.write_bytes(data)
    refused, rows, lost = "", dict[str, Stored](), ""
    try:
        rows, lost = load(path)
    except SettingsError as error:
        refused = str(error)
    if refused:  # the header says that it is another's, or a later one of ours
        assert "it is a database of something else" in refused or "its version is" in refused
        assert file.read_bytes() == data
    elif lost:
        assert rows == {}
        assert path.with_name("records.sqlite.damaged").exists()
        assert str(path) in lost and "\n" not in lost
    else:
        assert len(rows) <= len(MANY)


@pytest.mark.parametrize("size", [99, 100, 1000, 4096, 5000, 40_000, 100_000])
def test_truncated(path: Path, size: int) -> None:
    whole = path.read_bytes()
    path.with_name("records.sqlite-wal").unlink()
    path.write_bytes(whole[:size])
    rows, lost = load(path)
    assert rows == {}
    assert "was damaged" in lost and "it began empty" in lost
    assert path.with_name("records.sqlite.damaged").read_bytes() == whole[:size]


@pytest.mark.parametrize(
    "garbage", [b"", b"x", b"\xa5" * 32, b"\xa5" * 100_000], ids=["empty", "x", "header", "much"]
)
def test_a_log_that_is_garbage_leaves_what_was_in_the_file(path: Path, garbage: bytes) -> None:
    path.with_name("records.sqlite-wal").write_bytes(garbage)
    rows, lost = load(path)
    assert rows == {name: MANY[name] for name in list(MANY)[:200]}
    assert lost == ""


def test_no_database_at_all(tmp_path: Path) -> None:
    path = tmp_path / "records.sqlite"
    path.write_text("dear diary, " * 1000)
    assert load(path) == (
        {},
        f"{path} was damaged (file is not a database) and is records.sqlite.damaged now;"
        " it began empty",
    )
    assert path.with_name("records.sqlite.damaged").read_text() == "dear diary, " * 1000


ROWS = [
    # name                       row
    ("a number for bytes", ("s0", 1.0, 7, b"s", b"c")),
    ("a text for a number", ("s0", "soon", b"p", b"s", b"c")),
    ("bytes for a name", (b"s0", 1.0, b"p", b"s", b"c")),
    ("no name", (None, 1.0, b"p", b"s", b"c")),
]


@pytest.mark.parametrize("name, row", ROWS, ids=[case[0] for case in ROWS])
def test_a_row_that_cannot_be_ours(tmp_path: Path, name: str, row: tuple[object, ...]) -> None:
    path = tmp_path / "records.sqlite"

    async def fill(store: SqliteRecords) -> None:
        await store.load()
        await store.commit(MANY, ())

    play(path, fill)
    with sqlite3.connect(path) as database:
        database.execute("INSERT INTO records VALUES (?, ?, ?, ?, ?)", row)
    database.close()
    rows, lost = load(path)
    assert rows == {} and "a row of it is none of ours" in lost


def test_a_name_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "records.sqlite"
    load(path)
    with sqlite3.connect(path) as database:
        database.execute("INSERT INTO records VALUES (CAST(x'ff' AS TEXT), 1, x'', x'', x'')")
    database.close()
    rows, lost = load(path)
    assert rows == {} and "can't decode byte" in lost


def test_tables_that_are_gone(tmp_path: Path) -> None:
    path = tmp_path / "records.sqlite"
    load(path)
    with sqlite3.connect(path) as database:
        database.execute("DROP TABLE records")
    database.close()
    rows, lost = load(path)
    assert rows == {} and "no such table" in lost


def test_the_last_damaged_one_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "records.sqlite"
    for number in range(3):
        path.write_text(f"no database {number}")
        load(path)
    assert path.with_name("records.sqlite.damaged").read_text() == "no database 2"
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "records.sqlite",
        "records.sqlite.damaged",
    ]


def test_damaged_while_it_is_open_it_begins_anew_and_says_that_it_is_empty(path: Path) -> None:
    # More than SQLite keeps in memory.
    many = {f"s{number}": MANY["s0.n1.lab"] for number in range(5000)}

    async def fill(store: SqliteRecords) -> None:
        await store.load()
        await store.commit(many, ())

    async def scenario(store: SqliteRecords) -> None:
        assert len(await store.load()) > 5000
        with path.open("r+b") as opened:
            opened.write(b"\xa5" * path.stat().st_size)
        with pytest.raises(Unavailable, match="cannot write"):
            await store.commit({}, many)
        assert "was damaged" in store.lost
        await store.commit(NEW, ())

    play(path, fill)
    play(path, scenario)
    assert load(path) == (NEW, "")


def test_where_it_cannot_begin_anew_it_tries_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.with_name("records.sqlite-wal").unlink()
    path.write_bytes(b"no database")

    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        with pytest.raises(SettingsError, match=r"file is not a database \(No space left"):
            load(path)
    assert path.read_bytes() == b"no database"
    assert load(path)[0] == {}
