"""What one side wants, and what comes of two sides' wishes."""

from __future__ import annotations

import enum
from typing import Final

from glasnost.errors import ProtocolError


class Word(enum.Enum):
    """How much one side wants something."""

    NEVER = "NEVER"
    OPTIONAL = "OPTIONAL"
    PREFERRED = "PREFERRED"
    REQUIRED = "REQUIRED"

    @classmethod
    def of(cls, text: str) -> Word:
        """By its first letter, in either case, which is all that HTCondor looks at."""
        try:
            return _BY_LETTER[text[:1].upper()]
        except KeyError:
            raise ProtocolError(f"{text[:20]!r} is none of NEVER, OPTIONAL, ...") from None

    @property
    def rank(self) -> int:
        return _RANKS[self]


_BY_LETTER: Final = {word.value[0]: word for word in Word}
_RANKS: Final = {word: rank for rank, word in enumerate(Word)}


def decide(client: Word, server: Word) -> bool | None:
    """Whether it is done; None where one side requires what the other will never do.

    >>> decide(Word.OPTIONAL, Word.PREFERRED), decide(Word.OPTIONAL, Word.OPTIONAL)
    (True, False)
    """
    wishes = {client, server}
    if Word.NEVER in wishes:
        return None if Word.REQUIRED in wishes else False
    return wishes != {Word.OPTIONAL}
