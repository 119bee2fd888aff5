"""What the benchmarks' table says of a measurement."""

from __future__ import annotations

import pytest

from benchmarks import __main__ as bench
from benchmarks.figures import HEAD, Figure, Goal, at_least, at_most

ROUNDS = [(110.0, 100.0), (240.0, 300.0), (330.0, 300.0)]

GOALS = [
    # goal                     as shown          met
    (at_least(1.1), "ratio ≥ 1.1", True),
    (at_least(1.2), "ratio ≥ 1.2", False),
    (at_most(240, of="ours"), "ours ≤ 240", True),
    (at_most(9, of="added"), "added ≤ 9", False),
    (at_most(10, of="added"), "added ≤ 10", True),
]


@pytest.mark.parametrize("goal, shown, met", GOALS, ids=[case[1] for case in GOALS])
def test_a_goal_is_compared_with_the_median_of_the_rounds(
    goal: Goal, shown: str, met: bool
) -> None:
    figure = Figure.of_pairs("an errand", "us", ROUNDS, goal)
    assert str(goal) == shown
    assert figure.met is met
    assert figure.row()[-1] == ("met" if met else "MISSED")


def test_a_ratio_is_the_median_of_the_rounds_own_ratios() -> None:
    figure = Figure.of_pairs("an errand", "us", ROUNDS)
    assert figure.row() == ["an errand", "240.0", "300.0", "us", "1.10", "", ""]
    assert len(figure.row()) == len(HEAD)
    assert figure.met is None


def test_what_was_not_measured_says_why_and_meets_nothing() -> None:
    figure = Figure("through haproxy", "1/s", (), goal=at_least(2), note="it is not here")
    assert figure.row() == ["through haproxy", "–", "–", "1/s", "–", "ratio ≥ 2", "it is not here"]
    assert figure.met is None
    assert figure.as_dict()["ours"] is None


def test_an_unknown_benchmark_is_refused_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["bench", "port", "prot"])
    with pytest.raises(SystemExit) as ended:
        bench.main()
    assert ended.value.code == 2
    assert "no such benchmark: prot (there are: addresses, " in capsys.readouterr().err
