"""What a table of findings says, and how it is held against what was found."""

from __future__ import annotations

from collections.abc import Iterable

from glasnost.core.doctor import Finding

#: Severity, words of the sentence, and words of what to do (empty: nothing is to be done).
Expected = tuple[str, str, str]


def check(found: Iterable[Finding], *expected: Expected) -> None:
    """Exactly these, in this order."""
    found = list(found)
    assert [str(one.severity) for one in found] == [severity for severity, _, _ in expected], found
    for one, (_, what, do) in zip(found, expected, strict=True):
        assert what in one.what, one
        assert do in one.do and bool(do) == bool(one.do), one
