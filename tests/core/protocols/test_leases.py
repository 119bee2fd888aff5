"""Leases against the plain way: a dict that is searched."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from glasnost.core.protocols.leases import Leases

STEPS = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from(["set", "drop", "due"]), st.integers(0, 9)),
    max_size=60,
)


@given(STEPS)
def test_the_next_end_and_what_is_due_are_always_right(steps: list[tuple[str, str, int]]) -> None:
    leases, plain = Leases(), dict[str, float]()
    for name, step, at in steps:
        match step:
            case "set":
                leases.set(name, at)
                plain[name] = at
            case "drop":
                leases.drop(name)
                plain.pop(name, None)
            case "due":
                ended = [each for each, until in plain.items() if until <= at]
                assert sorted(leases.due(at)) == sorted(ended)
                plain = {each: until for each, until in plain.items() if until > at}
        assert leases.next() == min(plain.values(), default=None)


def test_renewing_for_ever_holds_no_more_memory() -> None:
    leases = Leases()
    for second in range(10_000):
        leases.set("a", second + 60.0)
        assert leases.due(float(second)) == []
    assert len(leases._heap) == 1
