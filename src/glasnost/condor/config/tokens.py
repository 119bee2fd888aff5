"""Finds the tokens that a client of HTCondor's would present, in its order.

Only lines: whether one is a token, whose and for which pool, `condor.security` knows.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from dataclasses import dataclass
from typing import Final

from glasnost.condor.config.settings import CondorConfig
from glasnost.condor.config.sources import Host, files_in

#: Bytes of one file. A token has some hundred; one file may hold several.
MAX_FILE: Final = 256 * 1024
#: Files of one directory. Somebody who is a member of many pools has a dozen.
MAX_FILES: Final = 200
#: Lines that are looked at in all.
MAX_LINES: Final = 1000

_WORD: Final = re.compile(rb"[!-~]+")


@dataclass(frozen=True, slots=True)
class Candidate:
    """One line that may be a token, and where it stands. ``repr`` does not show it."""

    file: str
    line: int
    text: str

    def __repr__(self) -> str:
        return f"<Candidate {self.file}, line {self.line}>"


@dataclass(frozen=True, slots=True)
class Tokens:
    """What was found in ``directory``, and a sentence for each file that cannot be used."""

    directory: str
    candidates: tuple[Candidate, ...]
    unusable: tuple[str, ...]


def token_directory(config: CondorConfig, host: Host) -> str:
    """Where HTCondor looks: one directory, and no other where that one has nothing.

    What is configured; root looks in the system's, everybody else in ``~/.condor``.
    """
    if config.token_directory:
        return config.token_directory
    if host.is_root or not host.home:
        return config.token_system_directory
    return os.path.join(host.home, ".condor", "tokens.d")


def find_tokens(config: CondorConfig, host: Host | None = None, subsystem: str = "TOOL") -> Tokens:
    """The candidates in the order in which HTCondor tries them."""
    host = host or Host()
    directory = token_directory(config, host)
    if not config.exclude:  # HTCondor then reads no tokens at all
        return Tokens(directory, (), ("LOCAL_CONFIG_DIR_EXCLUDE_REGEXP is empty",))
    if why := _unreadable(directory):
        return Tokens(directory, (), (why,) if os.path.lexists(directory) else ())
    paths = files_in(directory, config.exclude)
    own = f"{subsystem}_auto_generated_token".lower()
    paths.sort(key=lambda path: os.path.basename(path).lower() != own)
    candidates: list[Candidate] = []
    unusable = [f"{directory}: more than {MAX_FILES} files"] if len(paths) > MAX_FILES else []
    for path in paths[:MAX_FILES]:
        try:
            candidates += lines_of(path, read_private(path, host.uid))
        except OSError as error:
            unusable.append(f"{path}: {error.strerror}")
    if len(candidates) > MAX_LINES:
        unusable.append(f"{directory}: more than {MAX_LINES} lines")
    return Tokens(directory, tuple(candidates[:MAX_LINES]), tuple(unusable))


def lines_of(path: str, data: bytes) -> list[Candidate]:
    """The lines that can be tokens: no comments, one word of printable ASCII."""
    lines = enumerate(data.split(b"\n"), 1)
    stripped = ((number, line.strip()) for number, line in lines)
    return [
        Candidate(path, number, line.decode())
        for number, line in stripped
        if not line.startswith(b"#") and _WORD.fullmatch(line)
    ]


def read_private(path: str, owner: int) -> bytes:
    """The bytes of a file that is the owner's alone. Raises ``OSError`` where it is not.

    HTCondor leaves such a file out as well: who can write it could choose who we are.
    """
    # Not to wait for the other end of a pipe that somebody put there.
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(fd, "rb") as file:
        facts = os.fstat(fd)
        if not stat.S_ISREG(facts.st_mode):
            raise OSError(errno.EINVAL, "it is no file")
        if facts.st_uid != owner:
            raise OSError(errno.EPERM, f"it belongs to uid {facts.st_uid}, not to {owner}")
        if facts.st_mode & 0o077:
            mode = f"{facts.st_mode & 0o777:04o}"
            raise OSError(errno.EPERM, f"others may read it (mode {mode}; HTCondor wants 0600)")
        data = file.read(MAX_FILE + 1)
    if len(data) > MAX_FILE:
        raise OSError(errno.EFBIG, f"it has more than {MAX_FILE} bytes")
    return data


def _unreadable(directory: str) -> str:
    try:
        os.scandir(directory).close()
    except OSError as error:
        return f"{directory}: {error.strerror}"
    return ""
