"""What every record store promises, and what the one in a file promises besides."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from glasnost.core.protocols.writes import Stored
from glasnost.core.wire.messages import Signed
from glasnost.errors import SettingsError, Unavailable
from glasnost.store.records import MemoryRecords, RecordStore
from glasnost.store.sqlite import SqliteRecords

A, A2, B = (
    Stored(Signed(payload, b"\x00signature", b"\xffcertificate"), at)
    for payload, at in ((b"a", 1.5), (b"a2", 2.5), (b"", 1e9 + 0.25))
)

#: Opens the store again, as after a restart.
Opener = Callable[[], RecordStore]
Scenario = Callable[[RecordStore], Awaitable[None]]


@pytest.fixture(params=["memory", "sqlite"])
def opener(request: pytest.FixtureRequest, tmp_path: Path) -> Opener:
    if request.param == "memory":
        memory = MemoryRecords()
        return lambda: memory
    return lambda: SqliteRecords(tmp_path / "directory" / "records.sqlite")


def within(open_store: Opener, scenario: Scenario) -> dict[str, Stored]:
    """Play a scenario on a store that is opened and closed around it: what it had before."""

    async def play() -> dict[str, Stored]:
        store = open_store()
        rows = await store.load()
        await scenario(store)
        await store.close()
        return rows

    return asyncio.run(play())


async def nothing(store: RecordStore) -> None:
    pass


def test_a_new_store_is_empty(opener: Opener) -> None:
    assert within(opener, nothing) == {}


def test_what_was_put_is_there_after_a_restart(opener: Opener) -> None:
    async def scenario(store: RecordStore) -> None:
        await store.commit({"a": A, "b": B}, ())
        await store.commit({"a": A2}, ())

    within(opener, scenario)
    assert within(opener, nothing) == {"a": A2, "b": B}


def test_what_was_deleted_is_not(opener: Opener) -> None:
    async def scenario(store: RecordStore) -> None:
        await store.commit({"a": A, "b": B}, ())
        await store.commit({}, ["a", "never"])

    within(opener, scenario)
    assert within(opener, nothing) == {"b": B}


def test_one_commit_may_put_some_and_delete_others(opener: Opener) -> None:
    async def scenario(store: RecordStore) -> None:
        await store.commit({"a": A}, ())
        await store.commit({"b": B}, ["a"])

    within(opener, scenario)
    assert within(opener, nothing) == {"b": B}


def test_commits_take_effect_in_the_order_of_their_calls(opener: Opener) -> None:
    async def scenario(store: RecordStore) -> None:
        await asyncio.gather(
            store.commit({"a": A, "b": B}, ()), store.commit({"a": A2}, ()), store.commit({}, "b")
        )

    within(opener, scenario)
    assert within(opener, nothing) == {"a": A2}


def test_an_empty_commit_is_one(opener: Opener) -> None:
    within(opener, lambda store: store.commit({}, ()))


def test_many_records(opener: Opener) -> None:
    many = {f"s{number}.n1": A for number in range(5000)}
    within(opener, lambda store: store.commit(many, ()))
    assert within(opener, lambda store: store.commit({}, many)) == many
    assert within(opener, nothing) == {}


# --- in a file ------------------------------------------------------------------------------------


def refusal(path: Path) -> str:
    with pytest.raises(SettingsError) as raised:
        within(lambda: SqliteRecords(path), nothing)
    sentence = str(raised.value)
    assert str(path) in sentence
    assert "\n" not in sentence
    return sentence


def test_the_files_are_ours_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "records.sqlite"

    async def look(store: RecordStore) -> None:
        await store.commit({"a": A}, ())
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
        assert modes == {"records.sqlite": 0o600, "records.sqlite-wal": 0o600}

    within(lambda: SqliteRecords(path), look)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_database_of_something_else_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "records.sqlite"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE diary (day TEXT)")
    other.close()
    before = path.read_bytes()
    assert "something else" in refusal(path)
    assert path.read_bytes() == before


def test_a_database_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "records.sqlite"
    within(lambda: SqliteRecords(path), nothing)
    later = sqlite3.connect(path)
    later.execute("PRAGMA user_version = 99")
    later.close()
    assert "its version is 99" in refusal(path)


def test_a_folder_in_the_files_place(tmp_path: Path) -> None:
    assert "Is a directory" in refusal(tmp_path)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "exists" in refusal(tmp_path / "file" / "records.sqlite")


def test_two_directories_do_not_share_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("glasnost.store.sqlite.LOCK_TIMEOUT", 0.0)
    path = tmp_path / "records.sqlite"

    async def second(store: RecordStore) -> None:
        with pytest.raises(SettingsError, match="locked by another process"):
            await SqliteRecords(path).load()
        await store.commit({"a": A}, ())

    within(lambda: SqliteRecords(path), second)
    assert within(lambda: SqliteRecords(path), nothing) == {"a": A}


def test_a_commit_that_fails_raises_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "records.sqlite"
    within(lambda: SqliteRecords(path), lambda store: store.commit({"a": A}, ()))
    with sqlite3.connect(path) as database:
        database.execute(
            "CREATE TRIGGER full BEFORE INSERT ON records WHEN NEW.name = 'b'"
            " BEGIN SELECT RAISE(FAIL, 'the disk is full'); END"
        )
    database.close()

    async def scenario(store: RecordStore) -> None:
        with pytest.raises(Unavailable, match="the disk is full"):
            await store.commit({"c": B, "b": B}, ["a"])
        await store.commit({"d": B}, ())

    within(lambda: SqliteRecords(path), scenario)
    assert within(lambda: SqliteRecords(path), nothing) == {"a": A, "d": B}


_WRITER = """
import asyncio, sys
from pathlib import Path
from glasnost.core.protocols.writes import Stored
from glasnost.core.wire.messages import Signed
from glasnost.store.sqlite import SqliteRecords

async def main():
    store = SqliteRecords(Path(sys.argv[1]))
    await store.load()
    number = 0
    while True:
        await store.commit({f"s{number}": Stored(Signed(b"p" * 1000, b"s", b"c"), 1.0)}, ())
        sys.stdout.write(f"{number}\\n")
        sys.stdout.flush()
        number += 1

asyncio.run(main())
"""


@pytest.mark.parametrize("acknowledged", [1, 7, 300])
def test_nothing_acknowledged_is_lost_when_the_process_is_killed(
    tmp_path: Path, acknowledged: int
) -> None:
    path = tmp_path / "records.sqlite"
    writer = subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    heard = [int(writer.stdout.readline()) for _ in range(acknowledged)]
    writer.send_signal(signal.SIGKILL)
    heard += [int(line) for line in writer.stdout.read().splitlines()]
    writer.stdout.close()
    assert writer.wait() == -signal.SIGKILL
    rows = within(lambda: SqliteRecords(path), nothing)
    assert {f"s{number}" for number in heard} <= set(rows)
    assert len(rows) - len(heard) in (0, 1), "at most the one that was not yet acknowledged"
