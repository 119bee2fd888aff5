"""Divides the text of a file into lines as HTCondor does: trimmed, and joined where one ends in
a backslash. What a line says is `statements`' business."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

#: What C calls white space.
SPACE: Final = " \t\n\v\f\r"


def logical_lines(text: str) -> Iterator[tuple[int, str]]:
    r"""Each line that says something, with the number of the first line in the file that it has.

    >>> list(logical_lines("A = 1 \\\n   2\n\n# B\nC = 3"))
    [(1, 'A = 1 2'), (5, 'C = 3')]
    """
    begun, parts = 0, list[str]()
    for number, raw in enumerate(text.split("\n"), 1):
        piece = raw.strip(SPACE)
        comment = piece.startswith("#")
        if comment and not parts:
            continue  # "# ... \" does not go on
        if comment:
            # A comment between continued lines counts as white space, but for its last
            # character, which HTCondor keeps (found by trying).
            piece = piece[-1:]
        begun = begun if parts else number
        if piece.endswith("\\"):
            parts.append(piece[:-1])
            continue
        if whole := "".join([*parts, piece]):
            yield begun, whole
        parts.clear()
    if whole := "".join(parts):
        yield begun, whole
