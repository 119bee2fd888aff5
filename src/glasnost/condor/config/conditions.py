"""Decides what stands behind ``if`` and ``elif``. HTCondor knows four forms, and no expressions."""

from __future__ import annotations

import re
from typing import Final

from glasnost.condor.config.statements import Wrong
from glasnost.condor.config.table import Table
from glasnost.condor.config.templates import KNOWN, template

#: The release whose files are read as it reads them; `if version` asks for it.
HTCONDOR: Final = (25, 14, 1)

_NUMBER: Final = re.compile(r"-?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?", re.ASCII)
_VERSION: Final = re.compile(
    r"version\s+(?P<not>!(?==))?(?P<op>[<=>]?)(?P<equal>=?)\s*[vV]?(?P<number>[\d.]+)",
    re.ASCII | re.I,
)
_DEFINED: Final = re.compile(r"defined(?:\s+(?P<what>.*))?", re.ASCII | re.I | re.DOTALL)
_IDENTIFIER: Final = re.compile(r"[A-Za-z][\w./]*", re.ASCII)
_WORDS: Final = {
    **dict.fromkeys(("true", "yes", "t"), True),
    **dict.fromkeys(("false", "no", "f"), False),
}


def holds(condition: str, table: Table) -> bool:
    """Whether a condition is true. Raises `Wrong` for what is none."""
    has_macros = "$" in condition
    rest = table.expand(condition).strip() if has_macros else condition.strip()
    inverted = rest.startswith("!")
    rest = rest[1:].lstrip() if inverted else rest
    if not rest and has_macros:
        return inverted  # `if $(FOO)` where nothing is set
    return _value(rest, table) != inverted


def _value(text: str, table: Table) -> bool:
    if (word := _WORDS.get(text.lower())) is not None:
        return word
    if _NUMBER.fullmatch(text):
        return float(text) != 0
    if (found := _VERSION.fullmatch(text)) and (found["op"] or found["equal"]):
        return _version(found)
    if found := _DEFINED.fullmatch(text):
        return _defined((found["what"] or "").strip(), table)
    raise Wrong(f"{text!r} is no condition (true, a number, `version >= 9.0`, `defined NAME`)")


def _version(found: re.Match[str]) -> bool:
    parts = found["number"].split(".")
    if not 2 <= len(parts) <= 3 or not all(1 <= len(part) <= 6 for part in parts):
        raise Wrong(f"{found['number']!r} is no version")
    asked = tuple(int(part) for part in parts)
    # Where the last number is left out, ours stands for it.
    asked = asked if len(asked) == 3 else (*asked, HTCONDOR[2])
    ours = (asked < HTCONDOR) - (asked > HTCONDOR)
    result = ours == "<=>".find(found["op"] or "=") - 1 or (bool(found["equal"]) and ours == 0)
    return result != bool(found["not"])


def _defined(what: str, table: Table) -> bool:
    if not what:
        return False
    if what.lower() in _WORDS or _NUMBER.fullmatch(what):
        return True
    if what.lower().startswith("use "):
        return _is_template(what[4:].strip())
    if not _IDENTIFIER.fullmatch(what):
        raise Wrong(f"`defined` asks for a name, and {what!r} is none")
    return bool(table.raw(what))


def _is_template(what: str) -> bool:
    category, colon, name = what.partition(":")
    if category.lower() not in KNOWN:
        raise Wrong(f"whether there is a template {what!r} is not known here")
    if not colon or not name:
        return True
    try:
        return template(category, name) is not None
    except Wrong:
        return False
