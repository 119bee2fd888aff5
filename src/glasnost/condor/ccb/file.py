"""Where ids and cookies outlive the broker: a file of lines ``ip ccbid cookie``.

It has the form of HTCondor's own (CCB_RECONNECT_FILE), so targets keep their ids where one takes
the other's place. New ids are appended; the whole is written anew where some were forgotten.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from glasnost.condor.ccb.registry import Entry

log = logging.getLogger("glasnost.condor")

#: Lines that are read, at most: ids that were given within two sweeps.
MAX_LINES: Final = 1_000_000
_MAX_COOKIE: Final = 200

Kept = tuple[int, str, str]


class ReconnectFile:
    """``path``: the file, made when the first id is given."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> list[Kept]:
        """What it holds: id, IP address, cookie. Lines that are none are left out."""
        try:
            text = self._path.read_text("ascii", "replace")
        except FileNotFoundError:
            return []
        except OSError as error:
            log.error("cannot read %s: %s; ids begin anew", self._path, error.strerror)
            return []
        return parse_kept(text)

    def append(self, entries: Iterable[Entry]) -> None:
        """New ones."""
        self._write(os.O_APPEND, entries, self._path)

    def rewrite(self, entries: Iterable[Entry]) -> None:
        """All that there are now."""
        aside = self._path.with_name(f"{self._path.name}.new")
        if self._write(os.O_TRUNC, entries, aside):
            try:
                os.replace(aside, self._path)
            except OSError as error:
                _cannot_write(self._path, error)

    def _write(self, how: int, entries: Iterable[Entry], path: Path) -> bool:
        lines = "".join(f"{one.ip} {one.ccbid} {one.cookie}\n" for one in entries)
        try:
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | how, 0o600)
            with open(fd, "w", encoding="ascii") as file:
                file.write(lines)
        except OSError as error:
            _cannot_write(path, error)
            return False
        return True


def _cannot_write(path: Path, error: OSError) -> None:
    log.error("cannot write %s: %s; ids are lost at a restart", path, error.strerror)


def parse_kept(text: str) -> list[Kept]:
    """What these lines say.

    >>> parse_kept("192.0.2.7 12 3189\\nnonsense\\n")
    [(12, '192.0.2.7', '3189')]
    """
    found = []
    for line in text.splitlines()[:MAX_LINES]:
        match line.split():
            case [ip, number, cookie] if (
                number.isascii()
                and number.isdecimal()
                and len(number) <= 18
                and len(ip) <= 64
                and len(cookie) <= _MAX_COOKIE
            ):
                found.append((int(number), ip, cookie))
    return found
