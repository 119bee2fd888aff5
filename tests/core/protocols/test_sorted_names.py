"""Sorted names against the plain way: a set that is sorted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glasnost.core.protocols import sorted_names
from glasnost.core.protocols.sorted_names import SortedNames

NAMES = st.text("ab.", max_size=4)


@given(st.lists(NAMES, max_size=80), NAMES, NAMES)
def test_they_are_what_a_sorted_set_is(steps: list[str], after: str, start: str) -> None:
    """Each name is added when it is not there, and removed when it is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sorted_names, "RUN", 3)
        names, plain = SortedNames(), set[str]()
        for name in steps:
            if name in plain:
                names.remove(name)
            else:
                names.add(name)
            plain ^= {name}
            assert len(names) == len(plain)
            assert list(names.above("", "")) == [each for each in sorted(plain) if each > ""]
        expected = [each for each in sorted(plain) if each > after and each.startswith(start)]
        assert list(names.above(after, start)) == expected


def test_runs_stay_short_and_none_is_empty() -> None:
    names = SortedNames()
    many = [f"{number:05}" for number in range(5000)]
    for name in many[::2] + many[1::2]:
        names.add(name)
    assert max(map(len, names._runs)) <= sorted_names.RUN
    for name in many:
        names.remove(name)
    assert names._runs == []
