"""What a query asks of the ads, recognised where a look into an index answers it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from glasnost.condor.classad import Expression
from glasnost.condor.classad.shape import as_bytes
from glasnost.condor.classad.values import read_value
from glasnost.condor.collector.table import Kept
from glasnost.errors import Refused

#: Characters of an expression. A list of a thousand names has 30,000.
MAX_EXPRESSION: Final = 64 * 1024

_OPEN, _CLOSE = r"\s*(?P<open>(?:\(\s*)*)", r"\s*(?P<close>(?:\)\s*)*)"
_TRUE: Final = re.compile(rf"{_OPEN}true{_CLOSE}", re.IGNORECASE)
_NAME_IS: Final = re.compile(
    _OPEN
    + r"(?:MY\s*\.\s*)?Name\s*(?P<same>==|=\?=)\s*"
    + r'(?P<text>"(?:[^"\\]|\\"|\\)*")'
    + _CLOSE,
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Requirement:
    """An expression. If it is ``always``, it holds for every ad; with a ``name``, for those that
    are called so; any other has to be evaluated."""

    text: str
    always: bool = False
    name: bytes | None = None
    #: Whether the name has to be the same to the letter (``=?=``), and not only to the word.
    exact: bool = False

    @property
    def to_evaluate(self) -> bool:
        return not self.always and self.name is None

    @classmethod
    def of(cls, text: str) -> Requirement:
        """Recognise what there is to recognise.

        >>> Requirement.of('((Name == "s1@h"))').name
        b's1@h'
        """
        if len(text) > MAX_EXPRESSION:
            raise Refused("requirements", f"Requirements of more than {MAX_EXPRESSION} characters")
        if (found := _TRUE.fullmatch(text)) and _balanced(found):
            return cls(text, always=True)
        if (found := _NAME_IS.fullmatch(text)) and _balanced(found):
            value = read_value(found["text"])
            if isinstance(value, str) and not isinstance(value, Expression):
                return cls(text, name=as_bytes(value), exact=found["same"] == "=?=")
        return cls(text)

    def is_name_of(self, kept: Kept) -> bool:
        """Whether an ad whose Name is a literal is called so."""
        assert self.name is not None
        if self.exact:
            return as_bytes(str(kept.ad["Name"])) == self.name
        return kept.name == self.name.lower()


def _balanced(found: re.Match[str]) -> bool:
    return found["open"].count("(") == found["close"].count(")")
