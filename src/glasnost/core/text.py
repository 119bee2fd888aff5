"""Text for people: from peers, made fit for a terminal, a page or a log; and times."""

from __future__ import annotations

import unicodedata

#: Unicode categories that no terminal should be sent from outside: controls, formats (which
#: reorder what is read), surrogates, private use, unassigned, and line separators.
_UNFIT = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def printable(text: str, keep: str = "\n") -> str:
    r"""``text`` with everything escaped that could command a terminal or mislead a reader.

    >>> printable("web\x1b[2J.node7\u202e")
    'web\\x1b[2J.node7\\u202e'
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        c if c in keep or unicodedata.category(c) not in _UNFIT else _escaped(c) for c in text
    )


def facts(**values: object) -> dict[str, object]:
    """What a log line says besides its sentence, as ``extra`` of the call: `daemons.logs` writes
    it as ``key=value``. Lines with one sentence and one ``code`` are one kind of event."""
    return {"facts": values}


def in_one_line(text: str) -> str:
    """A sentence whose details stand below it, in one line.

    >>> in_one_line("no route leads to web\\n  tried: route 1\\n  tried: route 2")
    'no route leads to web; tried: route 1; tried: route 2'
    """
    return "; ".join(line.strip() for line in text.splitlines())


def milliseconds(seconds: float) -> str:
    """A short time, and how fine it was measured.

    >>> milliseconds(0.01234), milliseconds(2.5)
    ('12.3 ms', '2500.0 ms')
    """
    return f"{seconds * 1000:.1f} ms"


def duration(seconds: float) -> str:
    """Seconds as people say them.

    >>> duration(0.4), duration(75), duration(7300)
    ('0 s', '1 min', '2 h')
    """
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
