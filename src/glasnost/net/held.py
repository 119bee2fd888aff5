"""Which sockets of this host are still open, whoever has them: the kernel's own list."""

from __future__ import annotations

import ipaddress
import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

#: Of the network namespace that the calling thread is in.
_LISTS: Final = Path("/proc/thread-self/net")
_LISTENS: Final = "0A"


def can_tell() -> bool:
    """Whether this system says which sockets are open."""
    return (_LISTS / "tcp").exists()


def open_sockets(numbers: Collection[int], sources: Collection[str]) -> set[int]:
    """Which sockets with these inode numbers some process has open, and all that are connected
    from one of these addresses. A connection that only the kernel still has an end of is not among
    them: its number is 0."""
    from_here = {written for one in sources for written in _written(one)}
    found = {int(fields[6]) for fields in _lines("unix") if int(fields[6]) in numbers}
    for name in ("tcp", "tcp6"):
        for fields in _lines(name):
            number, source = int(fields[9]), fields[1].partition(":")[0]
            if number in numbers or (source in from_here and number and fields[3] != _LISTENS):
                found.add(number)
    return found


def _lines(name: str) -> Iterator[list[str]]:
    try:
        text = (_LISTS / name).read_text(errors="replace")
    except OSError:
        return  # a kernel without IPv6 has no tcp6
    for line in text.splitlines()[1:]:
        yield line.split()


def _written(address: str) -> Iterator[str]:
    """An address as the kernel writes it there: words of 32 bits, each in the host's own order."""
    packed = ipaddress.ip_address(address).packed
    words = [packed[at : at + 4] for at in range(0, len(packed), 4)]
    text = "".join(f"{int.from_bytes(word, sys.byteorder):08X}" for word in words)
    yield text
    if len(packed) == 4:  # of a socket for both protocols
        mapped = int.from_bytes(b"\0\0\xff\xff", sys.byteorder)
        yield f"{0:016X}{mapped:08X}{text}"
