"""What commands print: answers on stdout, everything else on stderr, text from peers escaped."""

from __future__ import annotations

import json
import os
import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

from glasnost.core.text import printable


def say(text: str = "") -> None:
    """One line (or some) of the answer."""
    _answer(printable(text))


def say_json(value: Any) -> None:
    """The answer for a program."""
    _answer(json.dumps(value, indent=2, sort_keys=True))


def say_line(value: Any) -> None:
    """One answer of several, for a program: an object a line."""
    _answer(json.dumps(value, sort_keys=True))


def say_wrapped(text: str, hang: int = 5) -> None:
    """Lines of the answer, each within the terminal's width if there is one: what goes on below
    stands ``hang`` further in. Words stay whole, so that a route can be copied."""
    if sys.stdout.isatty():
        width = max(shutil.get_terminal_size().columns, 40)
        text = "\n".join(_wrapped(line, width, hang) for line in printable(text).splitlines())
    say(text)


def _wrapped(line: str, width: int, hang: int) -> str:
    indent = line[: len(line) - len(line.lstrip())]
    return textwrap.fill(
        line.strip(),
        width,
        initial_indent=indent,
        subsequent_indent=indent + " " * hang,
        break_long_words=False,
        break_on_hyphens=False,
    )


def note(text: str) -> None:
    """Something by the way."""
    print(f"glasnost: {printable(text)}", file=sys.stderr, flush=True)


def complain(text: str, hint: str = "") -> None:
    """An error, in one sentence; further lines are its details."""
    first, *rest = printable(text.strip() or "it failed").splitlines()
    if not first[1:2].isupper():  # GLASNOST_PORT
        first = first[:1].lower() + first[1:]
    print(f"glasnost: error: {first}", file=sys.stderr)
    for line in rest:
        print(line, file=sys.stderr)
    if hint:
        print(f"glasnost: hint: {printable(hint)}", file=sys.stderr)


def _answer(text: str) -> None:
    try:
        print(text, flush=True)
    except OSError as error:
        # What is still buffered has nowhere to go; Python would complain of it once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        if not isinstance(error, BrokenPipeError):
            complain(f"cannot write the answer: {(error.strerror or str(error)).lower()}")
        sys.exit(1)


def table(head: Sequence[str], rows: Iterable[Sequence[str]], right: int | None = None) -> str:
    """Columns as wide as what stands in them; from number ``right`` on, figures.

    >>> print(table(["name", "age"], [["web.node7", "3 s"]]))
    name       age
    web.node7  3 s
    """
    lines = [list(head), *[[printable(cell, keep="") for cell in row] for row in rows]]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    sides = [str.ljust if right is None or at < right else str.rjust for at in range(len(head))]
    return "\n".join(
        "  ".join(
            to(cell, width) for to, cell, width in zip(sides, line, widths, strict=True)
        ).rstrip()
        for line in lines
    )
