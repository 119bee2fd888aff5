"""Large buffers for the many streams of one loop, of which few need one at a time."""

from __future__ import annotations

from typing import Final

#: Bytes read at once. A line of 10 Gbit/s fills 1 MB in a millisecond; smaller ones cost more CPU
#: per byte, larger ones gained nothing (evidence.md: 0.34 CPU seconds per GB).
LARGE: Final = 1 << 20
#: What is borrowed instead when much is held already: as much as asyncio's own reads.
SMALL: Final = 64 << 10
#: How much large buffers may hold together: 256 streams with a slow reader each. Beyond it a
#: blocked direction holds a small one: 2,000 streams blocked both ways are 250 MB more.
BUDGET: Final = 256 << 20


class Buffers:
    """Lends buffers to the streams of one loop.

    There is one that everybody reads into, since reading and writing on happen in one step.
    Whoever could not write all of it keeps it, and the next one is lent.
    """

    def __init__(self, size: int = LARGE, budget: int = BUDGET) -> None:
        self._size, self._budget = size, budget
        self._lent: bytearray | None = None
        self._spare: bytearray | None = None
        #: Bytes of buffers that blocked streams keep.
        self.kept = 0

    def lend(self) -> bytearray:
        """The buffer to read into; it is the reader's until the next one asks, or it keeps it."""
        size = self._size if self.kept + self._size <= self._budget else min(SMALL, self._size)
        if self._lent is None or len(self._lent) != size:
            spare, self._spare = self._spare, None
            self._lent = spare if spare is not None and len(spare) == size else bytearray(size)
        return self._lent

    def keep(self) -> bytearray:
        """The buffer that was lent last, until it is given back."""
        assert self._lent is not None, "nothing was lent"
        kept, self._lent = self._lent, None
        self.kept += len(kept)
        return kept

    def give_back(self, buffer: bytearray) -> None:
        self.kept -= len(buffer)
        self._spare = buffer
