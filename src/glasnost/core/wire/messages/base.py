"""What all messages share, and those that are said everywhere."""

from __future__ import annotations

from typing import ClassVar, Final

import msgspec


class Message(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="t", tag=str.lower):
    """What all messages share: the number that joins a question and its answer (0: none)."""

    #: The version of the protocol that it came with: peers that speak an older one are not asked.
    since: ClassVar[int] = 1

    id: int = 0


class Ping(Message, frozen=True):
    """Are you there?"""


class Pong(Message, frozen=True):
    """I am. ``now``: what my clock says, in seconds since 1970 (0: nothing)."""

    now: float = 0.0


class Done(Message, frozen=True):
    """The thing asked for was done; nothing to add."""


class Failed(Message, frozen=True):
    """It was not done. ``code`` is for programs, ``why`` a sentence for people."""

    code: str = "failed"
    why: str = ""


#: What asks, and so is never taken for an answer.
QUESTIONS: Final = (Ping,)
