"""Which files are looked at for tokens, in which order, and which are left out with a sentence."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from glasnost.condor.config import Host, read_config
from glasnost.condor.config.tokens import (
    MAX_FILE,
    MAX_FILES,
    MAX_LINES,
    Tokens,
    find_tokens,
    lines_of,
)
from tests.condor.config.files import host_in, write


def found(folder: Path, text: str = "LOCAL_DIR = FOLDER", root: bool = False) -> Tokens:
    host = host_in(write(folder, {"condor_config": text}), root=root)
    return find_tokens(read_config(host=host), host)


def put(folder: Path, name: str, text: str, mode: int = 0o600) -> Path:
    write(folder, {name: text})
    (folder / name).chmod(mode)
    return folder / name


def texts(tokens: Tokens) -> list[str]:
    return [one.text for one in tokens.candidates]


def test_a_user_has_a_directory_of_their_own_and_root_the_systems(tmp_path: Path) -> None:
    put(tmp_path, "home/.condor/tokens.d/a", "mine\n")
    put(tmp_path, "tokens.d/a", "ours\n")
    put(tmp_path, "elsewhere/a", "set\n")
    assert texts(found(tmp_path)) == ["mine"]
    assert texts(found(tmp_path, root=True)) == ["ours"]
    assert texts(found(tmp_path, "SEC_TOKEN_DIRECTORY = FOLDER/elsewhere", root=True)) == ["set"]


def test_no_second_directory_is_looked_at(tmp_path: Path) -> None:
    put(tmp_path, "tokens.d/a", "ours\n")
    assert found(tmp_path) == Tokens(f"{tmp_path}/home/.condor/tokens.d", (), ())


def test_files_are_sorted_and_the_programs_own_comes_first(tmp_path: Path) -> None:
    for name in ("b", "A", "a", "tool_auto_generated_token", "x.rpmsave", ".hidden", "b~"):
        put(tmp_path, f"home/.condor/tokens.d/{name}", f"{name}1\n# no\n\n  {name}2 \n")
    put(tmp_path, "home/.condor/tokens.d/sub/c", "c\n")
    own = "tool_auto_generated_token"
    tokens = found(tmp_path)
    assert texts(tokens) == [name + n for name in (own, "A", "a", "b") for n in "12"]
    assert [one.line for one in tokens.candidates[:2]] == [1, 4]
    assert tokens.unusable == ()


def test_what_others_may_read_or_is_no_file_is_left_out(tmp_path: Path) -> None:
    put(tmp_path, "home/.condor/tokens.d/a", "a\n", 0o640)
    put(tmp_path, "home/.condor/tokens.d/b", "b\n")
    put(tmp_path, "home/.condor/tokens.d/d", "x" * (MAX_FILE + 1))
    os.mkfifo(tmp_path / "home/.condor/tokens.d/c", 0o600)
    tokens = found(tmp_path)
    assert texts(tokens) == ["b"]
    folder = f"{tmp_path}/home/.condor/tokens.d"
    assert tokens.unusable == (
        f"{folder}/a: others may read it (mode 0640; HTCondor wants 0600)",
        f"{folder}/c: it is no file",
        f"{folder}/d: it has more than {MAX_FILE} bytes",
    )


def test_what_belongs_to_somebody_else_is_left_out(tmp_path: Path) -> None:
    put(tmp_path, "home/.condor/tokens.d/a", "a\n")
    host = host_in(write(tmp_path, {"condor_config": ""}))
    other = Host(**{**vars(host), "uid": host.uid + 1})
    tokens = find_tokens(read_config(host=other), other)
    assert tokens.candidates == ()
    assert "belongs to uid" in tokens.unusable[0]


def test_a_directory_that_is_none_is_named(tmp_path: Path) -> None:
    put(tmp_path, "home/.condor/tokens.d", "a file\n")
    assert found(tmp_path).unusable == (f"{tmp_path}/home/.condor/tokens.d: Not a directory",)


def test_there_is_an_end_to_files_and_lines(tmp_path: Path) -> None:
    for number in range(MAX_FILES + 1):
        put(tmp_path, f"home/.condor/tokens.d/{number:04}", "x\n" * 9)
    tokens = found(tmp_path)
    assert len(tokens.candidates) == MAX_LINES
    assert [one.rpartition(": ")[2] for one in tokens.unusable] == [
        f"more than {MAX_FILES} files",
        f"more than {MAX_LINES} lines",
    ]


def test_without_a_pattern_htcondor_reads_no_tokens(tmp_path: Path) -> None:
    put(tmp_path, "home/.condor/tokens.d/a", "a\n")
    tokens = found(tmp_path, "LOCAL_CONFIG_DIR_EXCLUDE_REGEXP =")
    assert (tokens.candidates, len(tokens.unusable)) == ((), 1)


@pytest.mark.parametrize("data", [b"", b"\n", b"# a\n", b"\xff\n", b"\r\n \t\n", b"a b\n", b"\x1c"])
def test_lines_that_can_be_no_tokens(data: bytes) -> None:
    assert lines_of("f", data) == []


def test_a_candidate_does_not_print_its_secret() -> None:
    assert "hush" not in repr(lines_of("f", b"hush"))
