"""What commands say is kept within limits, and its last line is at hand when they end."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from io import FileIO
from pathlib import Path

import pytest

from glasnost.errors import Unavailable
from glasnost.net.commands import run
from glasnost.net.said import MAX_FILE, Said
from glasnost.net.setups import bring_up
from tests.net.setup_place import Place, place, play, until

__all__ = ["place"]


def keeping(file: Path, scenario: Callable[[Said], Awaitable[None]]) -> None:
    async def keep() -> None:
        with FileIO(file, "w") as opened, Said(opened) as said:
            await scenario(said)

    before = len(os.listdir("/proc/self/fd"))
    asyncio.run(keep())
    assert len(os.listdir("/proc/self/fd")) == before


LAST = [
    # name, said before, said since, the last line of it
    ("nothing", b"before\n", b"", ""),
    ("a line", b"before\n", b"one\ntwo\n", "two"),
    ("an unfinished one", b"", b"one\ntw", "tw"),
    ("blank ones behind it", b"", b"one\n\n  \n", "one"),
    ("what was before the start does not count", b"before ", b"\n\n", ""),
    ("a long one", b"", b"x" * 10_000, "x" * 200),
    ("controls of a terminal", b"", b"\x1b]0;pwned\x07\x1b[31mred\n", None),
    ("no text", b"", b"\xff\xfe\n", "\ufffd\ufffd"),
]


@pytest.mark.parametrize(
    ("before", "since", "last"), [case[1:] for case in LAST], ids=[case[0] for case in LAST]
)
def test_the_last_line_since_a_moment(
    before: bytes, since: bytes, last: str | None, tmp_path: Path
) -> None:
    async def scenario(said: Said) -> None:
        os.write(said.into, before)
        start = said.size()
        os.write(said.into, since)
        line = said.last_line(start)
        assert line.isprintable() and "red" in line if last is None else line == last

    keeping(tmp_path / "said", scenario)
    assert (tmp_path / "said").read_bytes() == before + since


def test_a_command_that_never_stops_talking_is_read_and_its_file_stays_small(
    tmp_path: Path,
) -> None:
    file = tmp_path / "said"
    heard: list[int] = []

    async def scenario(said: Said) -> None:
        much = f"yes | head -c {3 * MAX_FILE}; echo the end; exit 1"
        with pytest.raises(Unavailable, match="status 1: the end"):
            await run(("sh", "-c", much), said, 20)
        heard.append(said.size())

    keeping(file, scenario)
    assert heard == [3 * MAX_FILE + len("the end\n")]
    assert 0 < file.stat().st_size <= MAX_FILE
    assert file.read_bytes().endswith(b"y\nthe end\n")


def test_a_file_that_cannot_be_written_is_no_fault_of_the_command(tmp_path: Path) -> None:
    async def scenario() -> None:
        with FileIO("/dev/full", "w") as full, Said(full) as said:
            await run(("echo", "hello"), said, 20)
            assert said.last_line(0) == "hello"

    asyncio.run(scenario())


def test_a_setup_that_talks_without_end_is_up_and_leaves_little(place: Place) -> None:
    async def scenario() -> None:
        hold = await bring_up("x", place.program("touch up; exec yes"), place.run)
        file = place.run / "setups" / "x.said"
        sizes: set[int] = set()

        def begun_anew() -> bool:
            sizes.add(file.stat().st_size)
            return len(sizes) > 3 and file.stat().st_size < max(sizes)

        await until(begun_anew)
        assert max(sizes) <= MAX_FILE
        hold.release()
        await until(lambda: not place.runs())

    play(scenario)
