"""What is read when a pool's files are damaged: one sentence, status 1; nothing is made anew."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from tests.cli.conftest import Shell


@pytest.fixture
def pool(tmp_path: Path) -> Shell:
    shell = Shell(tmp_path / "home")
    assert shell.run("init", "--name", "node1").status == 0
    return shell


DAMAGED = [
    # name           file                          sentence
    ("the ledger", "authority/authority.sqlite", "is damaged (file is not a database): restore"),
    ("the key", "authority/root.key", "is damaged (this is no private key in PEM"),
    ("the root", "authority/root.crt", "is damaged: restore a copy of it"),
]


@pytest.mark.parametrize("name, file, sentence", DAMAGED, ids=[case[0] for case in DAMAGED])
def test_an_authority_whose_files_are_damaged(
    pool: Shell, name: str, file: str, sentence: str
) -> None:
    path = pool.home / file
    path.write_text("dear diary")
    for words in (("up",), ("init",), ("token", "create", "--node", "node2")):
        done = pool.run(*words)
        assert (done.status, done.out) == (1, ""), words
        assert path.read_text() == "dear diary"
        if words == ("up",):
            assert done.err.count("glasnost: error: ") == 1
            assert f"{path} {sentence}" in done.err


def test_a_directory_of_a_later_version(pool: Shell) -> None:
    state = pool.home / "directory"
    state.mkdir(mode=0o700)
    with sqlite3.connect(state / "records.sqlite") as database:
        database.execute(f"PRAGMA application_id = {0x474E5344}")
        database.execute("PRAGMA user_version = 99")
        database.execute("CREATE TABLE records (name TEXT)")
    database.close()
    done = pool.run("up")
    assert (done.status, done.out) == (1, "")
    assert f"cannot use {state / 'records.sqlite'}: its version is 99, not 1" in done.err
