"""What one line says. What becomes of it is `interpreter`'s business."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final


class Wrong(ValueError):
    """A line or a value cannot be used; the text is the end of a sentence."""


@dataclass(frozen=True, slots=True)
class Assign:
    """``NAME = value``; with ``joint``, ``NAME += value``: what stands between old and new."""

    name: str
    value: str
    joint: str | None = None


@dataclass(frozen=True, slots=True)
class Begin:
    """``NAME @=tag``: a value of several lines, up to ``@tag``."""

    name: str
    tag: str


@dataclass(frozen=True, slots=True)
class Use:
    """``use CATEGORY : TEMPLATE, TEMPLATE(arguments)``; arguments are not kept."""

    category: str
    templates: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Include:
    """``include : FILE``, of which a command and its cache are forms."""

    target: str
    optional: bool = False
    command: bool = False
    into: str = ""


@dataclass(frozen=True, slots=True)
class Say:
    """``warning : text`` and ``error : text``."""

    text: str
    fatal: bool


Statement = Assign | Begin | Use | Include | Say

#: A name, perhaps other words, then what makes it an assignment. "+=" and "@=" need a blank before.
_SHAPE: Final = re.compile(
    r"(?P<name>[^\s=:]*)"
    r"(?:(?P<plain>[=:])|\s+(?P<words>[^=:@+]*)(?P<op>[=:]|@=|\+(?:(?P<sep>[,;|&*])(?P=sep)?)?=))"
    r"\s*(?P<value>.*)",
    re.ASCII | re.DOTALL,
)
_TEMPLATE: Final = re.compile(
    r"[\s,]*(?P<name>[^\s,(]+)\s*(?:\((?:[^()]|\((?:[^()]|\([^()]*+\))*+\))*+\))?", re.ASCII
)
_CONDITION: Final = re.compile(
    r":?\s*(if|elif|else|endif)(?:\s+(.*))?", re.ASCII | re.I | re.DOTALL
)


def condition_of(line: str, inside: bool) -> tuple[str, str] | None:
    """The keyword and the rest of a line that begins, divides or ends a block; else None.

    Inside of a block, and before ``if``, a colon hides a line from HTCondor before 8.1.5.
    """
    found = _CONDITION.fullmatch(line)
    if found is None or (line.startswith(":") and not inside and found[1] != "if"):
        return None
    return found[1].lower(), found[2] or ""


def parse_statement(line: str) -> Statement | None:
    """What a line says; None where HTCondor ignores it. Raises `Wrong`.

    >>> parse_statement("use SECURITY : host_based, strong")
    Use(category='SECURITY', templates=('host_based', 'strong'))
    >>> parse_statement("FOO +&&= BAR")
    Assign(name='FOO', value='BAR', joint=' && ')
    """
    found = _SHAPE.fullmatch(line)
    if found is None:
        if line.startswith("[") and not re.search(r"[\s=:]", line, re.ASCII):
            return None  # a heading, as Windows' .ini files have them
        raise Wrong('neither "NAME = value" nor another statement')
    name, words, value = found["name"], (found["words"] or "").strip(), found["value"]
    op = found["plain"] or found["op"]
    if op == ":":
        match name.removeprefix("@").lower():
            case "use":
                return Use(words, _templates(value))
            case "include":
                return _include(words.split(), value)
            case "error" | "warning" as level:
                return Say(value, level == "error")
    if op == "@=":
        return Begin(name, value)
    if op.startswith("+"):
        return Assign(name, value, _joint(op[1:-1]))
    return Assign(name, value)


def _joint(separator: str) -> str:
    if not separator:
        return " "
    return f" {separator} " if len(separator) > 1 else separator


def _templates(text: str) -> tuple[str, ...]:
    names, at = [], 0
    text = text.rstrip(", \t")
    while at < len(text):
        found = _TEMPLATE.match(text, at)
        if found is None:
            raise Wrong(f"{text!r} is no list of templates")
        names.append(found["name"])
        at = found.end()
    return tuple(names)


def _include(options: list[str], target: str) -> Include:
    rest = list(options)
    optional = bool(rest) and rest[0] in ("ifexist", "ifexists")
    if optional:
        del rest[0]
    command = bool(rest) and rest[0] in ("output", "command")
    if command:
        del rest[0]
    into = ""
    if command and len(rest) == 2 and rest[0] == "into":
        into = rest[1]
        rest.clear()
    if rest:
        raise Wrong(f"after include stands {' '.join(options)!r}, which means nothing")
    return Include(target, optional, command, into)
