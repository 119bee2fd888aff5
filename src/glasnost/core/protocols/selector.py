"""Choosing records by their labels: a few terms, which must all hold."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from glasnost.core.protocols.record_rules import MAX_LABEL, MAX_LABELS, shown

#: Terms of one selector: more could hold of no record, but for those that say what is not there.
MAX_TERMS: Final = 2 * MAX_LABELS
#: Characters of a term: a key, an operator and a value.
MAX_TERM: Final = 2 * MAX_LABEL + 2

#: What a label's key is written in; other records may have others, which no selector needs.
_KEY: Final = re.compile(rf"[A-Za-z0-9._/-]{{1,{MAX_LABEL}}}")
_LETTERS: Final = f'a key has 1 to {MAX_LABEL} letters, digits, ".", "_", "/", "-"'


@dataclass(frozen=True, slots=True)
class Term:
    """One condition on the labels of a record; a value of None asks whether there is the key.

    What is asked for by ``!=`` may also be absent: nothing is there that is equal.
    """

    key: str
    value: str | None = None
    wanted: bool = True

    @classmethod
    def parse(cls, text: str) -> Term:
        """Read what ``str()`` writes; a ``ValueError`` says what is wrong.

        >>> Term.parse("role!=startd")
        Term(key='role', value='startd', wanted=False)
        """
        if len(text) > MAX_TERM:
            raise ValueError(f"a term has at most {MAX_TERM} characters")
        key, equals, value = text.partition("=")
        wanted = True
        if equals and key.endswith("!"):
            key, wanted = key[:-1], False
        elif not equals and key.startswith("!"):
            key, wanted = key[1:], False
        if not key or "!" in key or "," in text:
            raise ValueError(f"{shown(text)} is none of key=value, key!=value, key, !key")
        return cls(key, value if equals else None, wanted)

    def holds(self, labels: Mapping[str, str]) -> bool:
        """Whether a record with these labels fits."""
        there = self.key in labels
        if self.value is not None:
            there = labels.get(self.key) == self.value
        return there is self.wanted

    def __str__(self) -> str:
        if self.value is None:
            return self.key if self.wanted else f"!{self.key}"
        operator: Literal["=", "!="] = "=" if self.wanted else "!="
        return f"{self.key}{operator}{self.value}"


def parse_terms(texts: Iterable[str]) -> tuple[Term, ...]:
    """Several terms; a ``ValueError`` says what is wrong with one, or that there are too many."""
    terms = tuple(map(Term.parse, texts))
    if len(terms) > MAX_TERMS:
        raise ValueError(f"a selector has at most {MAX_TERMS} terms")
    return terms


def parse_labels(texts: Iterable[str]) -> dict[str, str]:
    """Labels from ``key=value`` texts, such as a selector can ask for; a ``ValueError`` says what
    is wrong.

    >>> parse_labels(["role=startd"])
    {'role': 'startd'}
    """
    labels: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not _KEY.fullmatch(key) or "," in value:
            raise ValueError(f"{shown(text)} is not key=value ({_LETTERS}; no comma in a value)")
        if len(value) > MAX_LABEL:
            raise ValueError(f"the value of {key} exceeds {MAX_LABEL} characters")
        if key in labels:
            raise ValueError(f"{key} is given twice")
        labels[key] = value
    if len(labels) > MAX_LABELS:
        raise ValueError(f"a service has at most {MAX_LABELS} labels")
    return labels


def all_hold(terms: Iterable[Term], labels: Mapping[str, str]) -> bool:
    """Whether a record with these labels fits all of the terms."""
    return all(term.holds(labels) for term in terms)
