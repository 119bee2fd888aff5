"""The soak: that a short one is passed, that it judges, and that its trouble can be repeated."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from glasnost.testing.lab import Lab
from glasnost.testing.soak.hosts import HOSTS, Pool, build
from glasnost.testing.soak.run import Outcome, judge_memory, judge_services
from glasnost.testing.soak.trouble import Trouble, draw
from glasnost.testing.world import World

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("needs_lab")]

SOAK = [sys.executable, "-m", "glasnost.testing.soak"]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_short_soak_is_passed() -> None:
    arguments = ["--minutes", "0.4", "--hosts", "8", "--seed", "1"]
    done = subprocess.run([*SOAK, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "trouble: " in done.stdout and "transfers whole" in done.stdout


def test_a_soak_that_is_interrupted_leaves_nothing(tmp_path: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    soak = subprocess.Popen(
        [*SOAK, "--hosts", "8"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    assert soak.stdout is not None and soak.stdout.readline().startswith("seed ")
    while not list(tmp_path.glob("gn-*/*/agent.log")):
        assert soak.poll() is None
    soak.send_signal(signal.SIGINT)
    _, said = soak.communicate(timeout=60)
    assert (soak.returncode, said) == (130, "\ninterrupted; everything was taken down\n")
    assert not list(tmp_path.glob("gn-*"))


@pytest.mark.parametrize("words", [["--minutes", "0"], ["--hosts", "3"], ["--seed", "x"], ["more"]])
def test_wrong_arguments_are_said_to_be_wrong(words: list[str]) -> None:
    done = subprocess.run([*SOAK, *words], capture_output=True, text=True)
    assert done.returncode == 2 and "error: " in done.stderr and "Traceback" not in done.stderr


@pytest.fixture
def pool(lab: Lab) -> Iterator[Pool]:
    """Hosts without daemons: to draw trouble for them, and to judge what they are said to hold."""
    with World(lab) as world:
        yield build(lab, world, len(HOSTS))


def test_a_seed_brings_the_same_trouble_again(pool: Pool) -> None:
    assert draw(pool, 7, 600) == draw(pool, 7, 600) != draw(pool, 8, 600)


def test_trouble_of_all_kinds_and_one_at_a_time_for_each_place(pool: Pool) -> None:
    places = defaultdict[str, list[Trouble]](list)
    for trouble in draw(pool, 7, 6000):
        places[trouble.place].append(trouble)
    found = {(one.what, one.parts) for troubles in places.values() for one in troubles}
    assert {what for what, _ in found} == {"kill", "boot", "stop", "cut"}
    assert {("kill", (role,)) for role in ("agent", "authority", "directory", "broker")} <= found
    for troubles in places.values():
        assert all(a.at + a.lasting < b.at for a, b in itertools.pairwise(troubles))
        assert troubles[-1].at + troubles[-1].lasting <= 6000
    assert "gate" not in places, "what is never killed shows whether memory grows"


def test_memory_that_has_grown_is_a_problem() -> None:
    outcome = Outcome(seed=1, seconds=60)
    before = {("a", "agent"): 40 << 20, ("b", "agent"): 40 << 20, ("c", "agent"): 40 << 20}
    after = {("a", "agent"): 50 << 20, ("b", "agent"): 60 << 20, ("d", "agent"): 90 << 20}
    judge_memory(outcome, before, after)
    assert outcome.problems == ["the memory of agent on b has grown from 42 to 63 MB"]


def test_a_service_that_took_a_part_for_everything_is_a_problem(pool: Pool) -> None:
    outcome = Outcome(seed=1, seconds=60)
    for host, service in pool.services:
        folder = pool.world.folder / host.name
        folder.mkdir(exist_ok=True)
        (folder / f"service-{service}.log").write_text(
            "a caller was lost: PathCut: the path was cut\n"
            + "a caller was lost: Truncated: 7 of 9 bytes\n" * (service == "plain")
        )
    judge_services(pool, outcome)
    plain = [host.name for host, service in pool.services if service == "plain"]
    assert outcome.problems == [f"plain.{name}: Truncated: 7 of 9 bytes" for name in plain]
