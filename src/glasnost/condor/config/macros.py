"""Replaces macros in values: ``$(NAME)``, ``$(NAME:default)``, ``$ENV(NAME)``, ``$(DOLLAR)``.

HTCondor's other functions (``$RANDOM_CHOICE()`` and so on) are recognised and refused: what they
give would be a guess. A value is replaced when somebody asks for it, not when it is set.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from glasnost.condor.config.limits import MAX_MACROS, MAX_VALUE
from glasnost.condor.config.statements import Wrong

_DOLLAR: Final = re.compile(r"\$\$?(\w*)", re.ASCII)
#: A name, and behind a colon a default, which may hold other macros.
_BODY: Final = re.compile(
    r"(?P<name>[\w./]*+)(?::(?P<default>(?:[\w./$ ,\\:]|\([^)]*+\))*+))?\)", re.ASCII
)
_ANY_BODY: Final = re.compile(r"[^)]*+\)")
_FUNCTION: Final = re.compile(
    r"RANDOM_CHOICE|RANDOM_INTEGER|CHOICE|SUBSTR|INT|REAL|STRING|EVAL|BASENAME|DIRNAME"
    r"|F[pnxdqabfwuPNXDQABFWU]*"
)


@dataclass(frozen=True, slots=True)
class Macro:
    """One macro and where it stands. ``function`` is empty for ``$(NAME)``."""

    start: int
    end: int
    function: str
    name: str
    default: str | None


def find_macro(text: str, wanted: Callable[[Macro], bool]) -> Macro | None:
    """The first macro that is wanted. What stands inside of one that is not is not looked at."""
    at = 0
    while found := _DOLLAR.search(text, at):
        at = found.end()
        if not text.startswith("(", at) or found[0].startswith("$$"):
            continue  # $$(NAME) is for a job's match, and no macro of the configuration
        at += 1
        macro = _macro(text, found, at)
        if macro is not None:
            if wanted(macro):
                return macro
            at = macro.end
    return None


def _macro(text: str, found: re.Match[str], at: int) -> Macro | None:
    if found[1] in ("", "ENV"):
        body = _BODY.match(text, at)
        return body and Macro(found.start(), body.end(), found[1], body["name"], body["default"])
    if not _FUNCTION.fullmatch(found[1]):
        return None
    body = _ANY_BODY.match(text, at)
    return body and Macro(found.start(), body.end(), found[1], body[0][:-1], None)


def expand(
    text: str,
    lookup: Callable[[str], str | None],
    environ: Mapping[str, str],
    wanted: Callable[[Macro], bool] = lambda macro: True,
) -> str:
    """The text with its macros replaced, those that come out of others too. Raises `Wrong`.

    >>> expand("$(HOST:cm.$(DOMAIN)):9618", {"DOMAIN": "example.org"}.get, {})
    'cm.example.org:9618'
    """

    def now(macro: Macro) -> bool:
        return not _is_dollar(macro) and wanted(macro)

    whole, replaced = text, 0
    while macro := find_macro(whole, now):
        replaced += 1
        whole = whole[: macro.start] + _value(macro, whole, lookup, environ) + whole[macro.end :]
        if replaced > MAX_MACROS or len(whole) > MAX_VALUE:
            raise Wrong(f"the macros in {text[:80]!r} lead to no end")
    return whole


def with_dollars(text: str) -> str:
    """``$(DOLLAR)`` comes last, so that nothing is made a macro by it."""
    while macro := find_macro(text, _is_dollar):
        text = text[: macro.start] + "$" + text[macro.end :]
    return text


def _is_dollar(macro: Macro) -> bool:
    return not macro.function and macro.default is None and macro.name.upper() == "DOLLAR"


def _value(
    macro: Macro, whole: str, lookup: Callable[[str], str | None], environ: Mapping[str, str]
) -> str:
    if macro.function == "ENV":
        value = environ.get(macro.name)
        if value is None and macro.default is None:
            return "UNDEFINED"
    elif macro.function:
        raise Wrong(f"{whole[macro.start : macro.end]} is a function that is not read here")
    else:
        value = lookup(macro.name)
    return value or macro.default or ""
