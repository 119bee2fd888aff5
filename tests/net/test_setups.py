"""Something is up while it is used, by whichever processes, and whoever is killed meanwhile.

The commands here write down when they run; interfaces and VPNs are in tests/lab/test_setups.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from glasnost.errors import Unavailable
from glasnost.net.setups import bring_up
from glasnost.setups import SetupSetting
from tests.net.setup_place import Place, place, play, until

__all__ = ["place"]


def test_many_users_share_it_and_after_the_last_it_goes_down(place: Place) -> None:
    async def scenario() -> None:
        setting = place.setting()
        holds = await asyncio.gather(*[bring_up("x", setting, place.run) for _ in range(10)])
        assert place.up.exists() and place.told() == ["start"]
        for hold in holds[1:]:
            hold.release()
        again = await bring_up("x", setting, place.run)
        holds[0].release()
        assert place.told() == ["start"]
        again.release()
        await until(lambda: not place.runs())
        assert place.told() == ["start", "stop"] and not place.up.exists()
        assert not list((place.run / "setups").glob("*.mark"))

    play(scenario)


_USER = """
import asyncio, sys
from pathlib import Path
from glasnost.net.setups import bring_up
from glasnost.setups import SetupSetting
import msgspec
async def main():
    setting = msgspec.json.decode(sys.argv[1], type=SetupSetting)
    hold = await bring_up("x", setting, Path(sys.argv[2]))
    print("up", flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
"""


def user_of(place: Place, setting: SetupSetting) -> subprocess.Popen[bytes]:
    """Another process that uses it, once it has it."""
    words: list[str] = [
        sys.executable,
        "-c",
        _USER,
        msgspec.json.encode(setting).decode(),
        str(place.run),
    ]
    process = subprocess.Popen(words, stdout=subprocess.PIPE)
    assert process.stdout is not None and process.stdout.readline() == b"up\n"
    process.stdout.close()
    return process


def test_users_of_several_processes_are_counted_also_when_they_are_killed(place: Place) -> None:
    async def scenario() -> None:
        setting = place.setting()
        one, other = [await asyncio.to_thread(user_of, place, setting) for _ in range(2)]
        ours = await bring_up("x", setting, place.run)
        one.kill()
        other.kill()
        one.wait()
        other.wait()
        assert place.told() == ["start"]
        ours.release()
        await until(lambda: not place.runs())
        assert place.told() == ["start", "stop"]

    play(scenario)


def test_a_connection_that_was_made_keeps_it_up_in_whichever_process_it_is(place: Place) -> None:
    async def scenario() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            ours = socket.create_connection(listener.getsockname())
            theirs, _ = listener.accept()
        hold = await bring_up("x", place.setting(), place.run)
        hold.give(ours)
        # Handed on: here it is closed, and a child has it.
        child = subprocess.Popen(["sleep", "60"], stdin=ours.fileno())
        ours.close()
        await until(lambda: (place.run / "setups" / "x.sock").exists())
        await asyncio.sleep(1.5)  # that nothing happens is what is tested
        assert place.told() == ["start"]
        child.kill()
        child.wait()
        await until(lambda: place.told() == ["start", "stop"])
        theirs.close()

    play(scenario)


def test_it_stays_up_for_the_grace_and_who_comes_meanwhile_has_it_at_once(place: Place) -> None:
    async def scenario() -> None:
        setting = place.setting(grace=1.0)
        (await bring_up("x", setting, place.run)).release()
        (await bring_up("x", setting, place.run)).release()
        released = time.monotonic()
        await until(lambda: place.told() == ["start", "stop"])
        assert time.monotonic() - released >= 1.0

    play(scenario)


def test_a_program_runs_as_long_as_it_is_used(place: Place) -> None:
    async def scenario() -> None:
        hold = await bring_up("x", place.program(), place.run)
        assert place.told() == ["run"]
        hold.release()
        await until(lambda: not place.runs())
        assert place.told() == ["run", "stop"]

    play(scenario)


def test_a_program_that_dies_is_brought_up_again_for_the_next_user(place: Place) -> None:
    async def scenario() -> None:
        setting = place.program("touch up; sleep 0.3; echo its end >&2; exit 4", grace=30)
        hold = await bring_up("x", setting, place.run)
        await until(lambda: place.told() == ["run", "stop"])
        hold.release()
        (await bring_up("x", setting, place.run)).release()
        assert place.told() == ["run", "stop", "run"]

    play(scenario)


FAILURES: list[tuple[str, dict[str, Any], str]] = [
    (
        "fails",
        {"start": "echo no such gate >&2; exit 3"},
        "sh has ended with status 3: no such gate",
    ),
    ("is killed", {"start": "kill -9 $$"}, "sh has ended with signal 9"),
    (
        "leaves something running",
        {"start": 'sh -c ": $PWD; sleep 60; true" & echo oops >&2; exit 3'},
        "sh has ended with status 3: oops",
    ),
    ("hangs", {"start": "sleep 60", "timeout": 0.7}, "sh has not ended within 0.7 s"),
    (
        "has no effect",
        {"start": "true", "timeout": 0.7},
        "it is not up within 0.7 s: test has ended with status 1",
    ),
    ("says a lot", {"start": "yes x | head -c 100000; echo '\x1b[2J'; exit 1"}, r"\x1b[2J"),
]


@pytest.mark.parametrize(("what", "scripts", "says"), FAILURES, ids=[one[0] for one in FAILURES])
def test_a_start_that_goes_wrong_says_why_and_leaves_nothing(
    place: Place, what: str, scripts: dict[str, Any], says: str
) -> None:
    async def scenario() -> None:
        setting = place.setting(**scripts)
        with pytest.raises(Unavailable) as caught:
            await bring_up("x", setting, place.run)
        assert says in str(caught.value)
        await until(lambda: not place.runs())
        assert place.told() == ["start", "stop"]
        assert not (place.run / "setups" / "x.mark").exists()

    play(scenario)


def test_a_command_that_is_not_there_is_named(place: Place) -> None:
    async def scenario() -> None:
        setting = SetupSetting(start=("no-such-program",))
        with pytest.raises(Unavailable, match=r"^no-such-program cannot be run: no such file"):
            await bring_up("x", setting, place.run)

    play(scenario)


def test_who_stops_waiting_takes_it_from_nobody_and_the_last_one_ends_the_start(
    place: Place,
) -> None:
    async def scenario() -> None:
        setting = place.setting("sleep 1; touch up")
        first = asyncio.create_task(bring_up("x", setting, place.run))
        await until(lambda: place.told() == ["start"])
        second = asyncio.create_task(bring_up("x", setting, place.run))
        await asyncio.sleep(0)
        first.cancel()
        hold = await second
        assert place.told() == ["start"]
        hold.release()
        await until(lambda: not place.runs())
        place.story.unlink()
        given_up = asyncio.create_task(bring_up("x", place.setting("sleep 60"), place.run))
        await until(lambda: place.told() == ["start"])
        given_up.cancel()
        await until(lambda: not place.runs())
        assert place.told() == ["start", "stop"]

    play(scenario)


@pytest.mark.parametrize("kind", ["commands", "a program"])
def test_after_everybody_was_killed_the_next_start_clears_away_what_was_left(
    place: Place, kind: str
) -> None:
    async def scenario() -> None:
        setting = place.setting() if kind == "commands" else place.program()
        lost = await bring_up("x", setting, place.run)
        keeper = [pid for pid in place.runs() if b"keeper" in _command_line(pid)]
        for pid in keeper:
            os.kill(pid, signal.SIGKILL)
        begun = place.told()
        hold = await bring_up("x", setting, place.run)
        assert place.told() == [*begun, "stop", *begun]
        assert len(place.runs()) <= 2  # a keeper, and a program
        lost.release()
        hold.release()
        await until(lambda: not place.runs())
        assert not place.up.exists()

    play(scenario)


def test_a_start_that_was_under_way_is_ended_before_the_next(place: Place) -> None:
    async def scenario() -> None:
        lost = asyncio.create_task(bring_up("x", place.setting("sleep 60; touch up"), place.run))
        await until(lambda: place.told() == ["start"])
        (keeper,) = [pid for pid in place.runs() if b"keeper" in _command_line(pid)]
        mark = place.run / "setups" / "x.mark"
        await until(lambda: b'"pid":0' not in mark.read_bytes())
        lost.cancel()
        os.kill(keeper, signal.SIGKILL)
        hold = await bring_up("x", place.setting(), place.run)
        assert place.told() == ["start", "stop", "start"]
        assert len(place.runs()) == 1, "the keeper alone"
        hold.release()
        await until(lambda: not place.runs())

    play(scenario)


def _command_line(pid: int) -> bytes:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def test_a_stop_that_fails_is_tried_again_before_the_next_start(place: Place) -> None:
    async def scenario() -> None:
        setting = place.setting(stop="test -e allowed && rm up")
        (await bring_up("x", setting, place.run)).release()
        await until(lambda: not place.runs())
        assert place.up.exists() and (place.run / "setups" / "x.mark").exists()
        assert "not taken down" in (place.run / "setups" / "x.log").read_text()
        (place.run / "allowed").touch()
        (await bring_up("x", setting, place.run)).release()
        await until(lambda: not place.runs())
        assert place.told() == ["start", "stop", "stop", "start", "stop"]
        assert not place.up.exists()

    play(scenario)


def test_what_is_up_without_us_is_left_alone(place: Place) -> None:
    async def scenario() -> None:
        place.up.touch()
        (await bring_up("x", place.setting(), place.run)).release()
        await until(lambda: not place.runs())
        assert place.told() == [] and place.up.exists()

    play(scenario)


def test_a_keeper_that_is_told_to_end_takes_it_down_first(place: Place) -> None:
    async def scenario() -> None:
        hold = await bring_up("x", place.setting(grace=30), place.run)
        (keeper,) = place.runs()
        os.kill(keeper, signal.SIGTERM)
        await until(lambda: not place.runs())
        assert place.told() == ["start", "stop"]
        hold.release()

    play(scenario)


def test_a_setup_that_answers_at_a_place_is_up(place: Place) -> None:
    async def scenario() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            setting = SetupSetting(start=("true",), reaches=f"127.0.0.1:{port}", timeout=1)
            (await bring_up("x", setting, place.run)).release()
        with pytest.raises(Unavailable, match="within 1 s: connection refused"):
            await bring_up("y", setting, place.run)

    play(scenario)


BAD = [
    ({}, "a program that runs, or else"),
    ({"run": ("a",), "start": ("b",)}, "a program that runs, or else"),
    ({"run": ("a",)}, "how it is seen to be up"),
    ({"start": ("",)}, "a program and its arguments"),
    ({"start": ("a\0",)}, "a program and its arguments"),
    ({"start": ("a",), "reaches": "10.0.0.1"}, 'is written "10.8.0.1:22"'),
    ({"start": ("a",), "reaches": "gate:22"}, "does not appear to be an IPv4 or IPv6 address"),
    ({"start": ("a",), "timeout": 0}, "timeout is from 0 to 300"),
    ({"start": ("a",), "grace": float("nan")}, "grace is from 0 to"),
]


@pytest.mark.parametrize(("values", "says"), BAD)
def test_what_is_no_setup_is_refused(values: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        SetupSetting(**values)  # type: ignore[arg-type]
