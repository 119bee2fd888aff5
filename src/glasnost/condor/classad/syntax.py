"""Which lines of an ad are expressions, and whether they can be any.

A reader of HTCondor's gives up a whole answer for one line that it cannot parse, so that a
collector must not take what is no expression. What is one, only the language's own parser knows
(`condor.judge.parses`); without it, what breaks readers most easily is found here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from glasnost.condor.classad.shape import BLANKS, as_text
from glasnost.condor.classad.values import Expression, read_value

#: In lines one after the other, each with its end: what stands behind a "=" and is no literal at a
#: glance. It may be the "=" of a text. (Looking for line after line takes three times as long.)
_OTHERS: Final = re.compile(
    rb'=[ \t]*+(?!(?:"[^"\0]*+"|-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]+)?|true|false)\0)([^\0]*+)'
)
_STRING: Final = re.compile(r'"(?:[^"\\]|\\"|\\)*"')
_OPEN: Final = {")": "(", "]": "[", "}": "{"}
#: What no expression ends with, and numbers that HTCondor cannot read.
_BROKEN: Final = re.compile(
    r"(?:[-+*/%&|^<>=!~?:.,@]|\b(?:is|isnt))\s*\Z|/\*|\A\s*\Z|\b0[0-9x]|\b[0-9]+\.(?![0-9])",
    re.IGNORECASE,
)


def expressions(lines: Sequence[bytes]) -> list[str]:
    """The texts of those lines that are no literals."""
    whole = b"\0".join(lines) + b"\0"
    texts = []
    for found in _OTHERS.finditer(whole):
        equals = found.start()
        if whole.find(b"=", whole.rfind(b"\0", 0, equals) + 1) == equals:
            texts.append(as_text(found[1].strip(BLANKS)))
    return [text for text in texts if isinstance(read_value(text), Expression)]


def plausible(text: str) -> bool:
    """Whether strings and brackets are closed, and nothing is seen that is no expression."""
    rest = _STRING.sub("x", text)
    if '"' in rest or _BROKEN.search(rest):
        return False
    still_open: list[str] = []
    for mark in re.findall(r"[()\[\]{}]", rest):
        if mark not in _OPEN:
            still_open.append(mark)
        elif not still_open or still_open.pop() != _OPEN[mark]:
            return False
    return not still_open
