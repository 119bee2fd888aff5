"""What the commands of a setup say: it comes through a pipe, and goes to a file that stays small.

A command writes as much as it likes and as fast as it is read; a file of its own would take all of
that, in a run directory that often is memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from io import FileIO
from typing import Final

from glasnost.core.text import printable

#: Bytes of a file that is begun anew when it has them: some thousand lines, the last among them.
MAX_FILE: Final = 1_000_000
#: Bytes at the end of what was said that are looked through for its last line, and characters of
#: that line that are passed on.
_TAIL: Final = 4096
_LINE: Final = 200
#: As much as a pipe holds: one reading empties it.
_PIPE: Final = 65536


class Said:
    """``into`` is what commands write to; ``file`` (None: there is none) keeps the last of it."""

    def __init__(self, file: FileIO | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        self._file = file
        self._from, self.into = os.pipe()
        os.set_blocking(self._from, False)
        self._size = 0
        self._last = b""
        self._loop.add_reader(self._from, self._take)

    def __enter__(self) -> Said:
        return self

    def __exit__(self, *_: object) -> None:
        self._take()
        self._loop.remove_reader(self._from)
        os.close(self._from)
        os.close(self.into)

    def size(self) -> int:
        """How much has been said so far, in bytes."""
        self._take()
        return self._size

    def last_line(self, start: int) -> str:
        """The last that was said since ``start``, fit for a sentence."""
        new = min(self.size() - start, _TAIL)
        text = self._last[-new:].decode("utf-8", "replace") if new > 0 else ""
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return printable(lines[-1], keep="")[:_LINE] if lines else ""

    def _take(self) -> None:
        try:
            data = os.read(self._from, _PIPE)
        except BlockingIOError:
            return
        self._size += len(data)
        self._last = (self._last + data)[-_TAIL:]
        if self._file is not None:
            with contextlib.suppress(OSError):  # a full disk is no reason to take a VPN down
                _append(self._file, data, self._last)


def _append(file: FileIO, data: bytes, last: bytes) -> None:
    if file.tell() + len(data) > MAX_FILE:
        file.seek(0)
        file.truncate()
        data = last
    file.write(data)
