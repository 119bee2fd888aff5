"""Stages, checked: from their fields to the one text that says them, and from any text to that.

What kinds mean is in ``kinds.py``, how fields are written in ``spelling.py``; this goes through
the fields of one stage and says which of them is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence

from glasnost.core.address.kinds import KNOWN, Known
from glasnost.core.address.spelling import (
    A_WORD,
    KEY,
    STAGE,
    VALUE,
    WORD,
    columns,
    decode,
    encode,
    fields,
    is_sound,
    misshapen,
)
from glasnost.errors import AddressError

Args = Sequence[str]
Options = Sequence[tuple[str, str]]


def judged_as(kind: str, count: int) -> Known | None:
    """What is known of a kind with so many arguments; None if such a stage is carried."""
    known = KNOWN.get(kind)
    return None if known is None or count > len(known.arguments) else known


def canonical(kind: str, args: Args, options: Options) -> str:
    """The text of a stage with these decoded fields, or an `AddressError` that says which of them
    is wrong, with the column it has when all are written plainly."""
    known = judged_as(kind, len(args))
    if known is None:
        words = _carried_args(kind, args, options)
    else:
        words = _known_args(known, kind, args, options)
    if options:
        words += _options(known, kind, args, options)
    return ":".join([kind, *words])


def read(text: str) -> tuple[str, str]:
    """The kind of a stage that is written somehow, and its text as we write it."""
    kind, args, options = parts(text)
    try:
        printed = canonical(kind, args, options)
    except AddressError as error:
        # It was counted in another spelling of the same fields.
        at = columns(error.text).index(error.column)
        raise AddressError(text, columns(text)[at], error.expected) from None
    return kind, text if judged_as(kind, len(args)) is None else printed


def parts(text: str) -> tuple[str, list[str], list[tuple[str, str]]]:
    """Kind, arguments and options of a stage of any spelling, decoded."""
    if not STAGE.fullmatch(text):
        raise misshapen(text)
    kind, *words = fields(text)
    # Reading an IPv6 literal is dear: whoever judges an ip6 stage reads it anyway.
    if "[" in text and (kind != "ip6" or len(words) != 2):
        if not all(is_sound(word.rpartition("=")[2]) for word in words):
            raise misshapen(text)
    pairs = [word.split("=") for word in words if "=" in word] if "=" in text else []
    try:
        args = [decode(word) for word in words[: len(words) - len(pairs)]]
        return kind, args, [(key, decode(value)) for key, value in pairs]
    except ValueError:
        raise misshapen(text) from None


def _carried_args(kind: str, args: Args, options: Options) -> list[str]:
    if not WORD.fullmatch(kind):
        raise AddressError(kind, 1, f"a stage kind ({A_WORD})")
    for index, value in enumerate(args, 1):
        if not VALUE.fullmatch(value):
            expected = "an argument that is not empty and is Unicode"
            raise _wrong(kind, args, options, index, expected)
    return [encode(value) for value in args]


def _known_args(known: Known, kind: str, args: Args, options: Options) -> list[str]:
    words = []
    for index, field in enumerate(known.arguments):
        value = field.canonical(args[index]) if index < len(args) else None
        if value is None:
            raise _wrong(kind, args, options, 1 + index, field.expected)
        words.append(field.written(value))
    return words


def _options(known: Known | None, kind: str, args: Args, options: Options) -> list[str]:
    judged = {} if known is None else known.options
    words: dict[str, str] = {}
    for index, (key, value) in enumerate(options, 1 + len(args)):
        if not KEY.fullmatch(key) or not VALUE.fullmatch(value):
            raise AddressError(key, 1, f"an option's key ({A_WORD}) and a value in Unicode")
        if key in words:
            expected = f"a key other than {key!r}, which was given before"
            raise _wrong(kind, args, options, index, expected)
        printed = judged[key].canonical(value) if key in judged else value
        if printed is None:
            raise _wrong(kind, args, options, index, f"{key}={judged[key].expected}")
        words[key] = f"{key}={encode(printed)}"
    return list(words.values())


def _wrong(kind: str, args: Args, options: Options, index: int, expected: str) -> AddressError:
    """Something is wrong with field ``index``, counted from 0, which is the kind."""
    words = [kind, *map(encode, args), *[f"{key}={encode(value)}" for key, value in options]]
    text = ":".join(words)
    return AddressError(text, columns(text)[index], expected)
