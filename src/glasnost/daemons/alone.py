"""One agent to a home, and one to a directory of sockets."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from glasnost.errors import SettingsError
from glasnost.net.sockets import private_directory


@contextlib.contextmanager
def alone(directory: Path) -> Iterator[None]:
    """Hold ``directory`` for this process. Raises `SettingsError` where another has it.

    A lock of the kernel's: it ends with the process, however that ends. The file stays, for
    removing it would let two processes hold two files of one name.
    """
    private_directory(directory)
    path = directory / "agent.lock"
    with _opened(path) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            who = lock.read(20).strip()
            by = f" (process {who})" if who.isdigit() else ""
            raise SettingsError(f"an agent runs here already{by}: it holds {directory}") from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


def _opened(path: Path) -> TextIO:
    try:
        return open(path, "a+")
    except OSError as error:
        raise SettingsError(f"cannot use {path}: {error.strerror}") from error
