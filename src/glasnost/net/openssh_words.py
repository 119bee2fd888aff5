"""What OpenSSH's client says on its standard error, and what that means.

Much of it is the server's: a banner, a reason. So it is read up to a limit, a line of it can at
worst make its own path fail, and what is passed on is one short sentence without controls.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from enum import Enum, auto
from typing import Final

from glasnost.core.text import printable
from glasnost.errors import GlasnostError, PathCut, ProtocolError, Refused, TrustError

#: Bytes of one line that are looked at, and those that are kept: the last words count, and a
#: banner may have a quarter of a megabyte.
MAX_LINE: Final = 1024
MAX_TOLD: Final = 4096
#: Lines in which it says why it ends; what stands before may be the server's.
_LAST: Final = 3
#: Characters of it that are passed on: a long sentence, and no page.
_MOST: Final = 200


class Heard(Enum):
    """What a line tells us, beside all that is for people."""

    INSIDE = auto()
    OPENED = auto()
    OVER = auto()


def heard(line: bytes) -> Heard | None:
    """What this line tells us; None: it is for people."""
    if line.strip() == b"glasnost:in":
        return Heard.INSIDE
    if re.search(rb":channel_input_open_confirmation\(\):\d", line):
        return Heard.OPENED
    if re.search(rb":channel_free\(\):\d", line):
        return Heard.OVER
    return None


_Error = Callable[[str], GlasnostError]
_Table = tuple[tuple[str, _Error, str], ...]


def _refused(why: str) -> GlasnostError:
    return Refused("ssh", why)


#: What is looked for, in the last line first; whose fault it is; what is said, with what was found.
_SAYS: Final[_Table] = (
    (r"Host key for (\S+) has changed", TrustError, "the host key of {} has changed"),
    (r"No \S+ host key is known for (\S+)", TrustError, "no host key of {} is known here"),
    (r"REVOKED", TrustError, "the server's host key is marked as revoked"),
    (
        r"Permission denied \((.*)\)",
        TrustError,
        "it accepts none of our keys (it takes {})",
    ),
    (r"Too many authentication failures", TrustError, "the server has seen too many of our keys"),
    (r"open failed: administratively prohibited", _refused, "the SSH server forbids it"),
    # Of a unix socket, no server says more.
    (
        r"open failed: connect failed: open failed",
        _refused,
        "the SSH server cannot connect, or may not",
    ),
    (r"open failed: (?:connect failed: )?(.*)", _refused, "the SSH server says: {}"),
    (r"[Bb]ad configuration option: (\S+)", ProtocolError, "OpenSSH here is too old for us: {}"),
    (
        r"(?:banner line|Bad packet|Protocol major|invalid format|Corrupted|[Ii]nvalid SSH|"
        r"line is too long|banner exchange.*[Ii]nvalid|mismatch|no matching).*",
        ProtocolError,
        "it does not speak SSH as we do: {0}",
    ),
)
#: Looked for where none of these is found: what follows them.
_SAYS_LESS: Final[_Table] = (
    (r"Host key verification failed", TrustError, "the server's host key is not the one we know"),
    (r"timed out", PathCut, "the SSH server does not answer any more"),
    (r"(?:[Cc]onnection|Disconnected).*", PathCut, "the SSH server closed the connection"),
)


def why_ended(told: bytes) -> GlasnostError:
    """Why a client has ended that was not told to, by the last that it has said."""
    text = told.decode("utf-8", "replace").replace("\r", "")
    last = [line for line in text.splitlines() if line.strip()][-_LAST:]
    for table in (_SAYS, _SAYS_LESS):
        for line, (pattern, error, says) in itertools.product(reversed(last), table):
            if found := re.search(pattern, line):
                return error(in_a_line(says.format(found[found.lastindex or 0])))
    if not last:
        return PathCut("the SSH client ended without a word")
    return PathCut(in_a_line(f"ssh says: {last[-1]}"))


def in_a_line(text: str) -> str:
    return printable(" ".join(text.split()), keep="")[:_MOST]
