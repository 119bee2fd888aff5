"""A descriptor kept back for when there are no more, so that callers are told instead of left
waiting; and what else has to be known of processes that have run out."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

#: What the kernel says when this process, or the whole system, has no descriptors left.
EXHAUSTED: Final = (errno.EMFILE, errno.ENFILE)
#: How long to leave alone what cannot be done for want of descriptors, seconds.
REST: Final = 0.1


class Reserve:
    """One descriptor that is nobody's. Another thread may take it while it is free: then there is
    none until one can be had again."""

    def __init__(self) -> None:
        self._fd: int | None = None
        self._take()

    def close(self) -> None:
        """Give it back."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)

    @contextmanager
    def accepted(self, listener: socket.socket) -> Iterator[socket.socket]:
        """Accept one connection in its place, for as long as the block lasts. Raises OSError:
        BlockingIOError where nobody waits, one of `EXHAUSTED` where it was gone."""
        self.close()
        try:
            sock, _ = listener.accept()
            with sock:
                sock.setblocking(False)
                yield sock
        finally:
            self._take()

    def _take(self) -> None:
        with contextlib.suppress(OSError):
            self._fd = os.open(os.devnull, os.O_RDONLY)


def any_left() -> bool:
    """Whether this process can have another descriptor."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return error.errno not in EXHAUSTED
    return True
