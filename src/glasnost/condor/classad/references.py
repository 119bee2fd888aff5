"""Which attributes an expression speaks of, found by its words alone.

No parser of the language: it may name an attribute that is none of the ad's (the member of a
nested ad), never miss one. Names that only `eval()` puts together show in no text; `is_dynamic`
says where there may be some.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from glasnost.condor.classad.shape import as_bytes

#: A string, whose words are no names; a number with its letters; a name in quotes; a name.
_WORD: Final = re.compile(
    r"""
    "(?:[^"\\]|\\"|\\)*"?
    | \.?[0-9][0-9A-Za-z.]*
    | '(?P<quoted>(?:[^'\\]|\\.)*)'
    | (?P<name>[A-Za-z_\x80-\U0010ffff][A-Za-z_0-9\x80-\U0010ffff]*)(?P<call>\s*\()?
    """,
    re.VERBOSE,
)
#: Words of the language, which no attribute can be called. (MY, TARGET and PARENT can be.)
_LANGUAGE: Final = frozenset({"true", "false", "undefined", "error", "is", "isnt"})
#: Characters of the expressions that are remembered: longer ones would fill the memory.
_REMEMBERED: Final = 1024

#: What makes an expression of a text.
_EVAL: Final = re.compile(r"\beval\s*\(", re.IGNORECASE)


def references(text: str) -> tuple[bytes, ...]:
    """The names in an expression's text, in lower case and in order, each once.

    >>> references('Bb * 2 > MY.Cc && f(Name) == "Dd"')
    (b'bb', b'my', b'cc', b'name')
    """
    return _remembered(text) if len(text) <= _REMEMBERED else _references(text)


def _references(text: str) -> tuple[bytes, ...]:
    names: dict[bytes, None] = {}
    for word in _WORD.finditer(text):
        name = word["quoted"] or word["name"]
        if name and not word["call"] and name.lower() not in _LANGUAGE:
            names[as_bytes(name).lower()] = None
    return tuple(names)


#: Daemons say the same things all day.
_remembered = lru_cache(maxsize=4096)(_references)


def is_dynamic(text: str) -> bool:
    """Whether the text may speak of attributes that it does not name."""
    return _EVAL.search(text) is not None
