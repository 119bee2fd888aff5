"""What the fuzz tests know of one parser, and how they change what it likes to read."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from hypothesis import strategies as st


@dataclass(frozen=True)
class Parser:
    """A reader of what comes from outside.

    ``check`` gives it one input: True when it was taken, False when it was refused *as it should
    be*. Anything else is an exception, and a finding. ``covers`` names the functions of src that
    read here; `test_table.py` holds that they really run, and that none is forgotten.
    """

    name: str
    covers: tuple[str, ...]
    check: Callable[[Any], bool]
    inputs: st.SearchStrategy[Any]
    #: The input that plain bytes are, for the coverage-guided run; and what it begins from.
    of: Callable[[bytes], Any] = bytes
    seeds: Callable[[], Iterable[bytes]] = tuple

    def __repr__(self) -> str:
        return self.name


def text_of(data: bytes) -> str:
    """Text from any bytes, lone surrogates included."""
    return data.decode("utf-8", "surrogateescape")


def chunks(data: bytes) -> list[bytes]:
    """The bytes as they may come: in some pieces, by what is in them."""
    step = 1 + sum(data[:2]) % 97
    return [data[at : at + step] for at in range(0, len(data), step)]


#: Values that do not fit where most things stand.
ODD: Sequence[Any] = (
    *(None, True, 0, -1, 1, 2, 255, 65535, 65536, 2**31, 2**63 - 1, 2**64 - 1, -(2**63)),
    *(0.0, -0.0, 1e308, float("inf"), float("nan"), "", "x", "\0", "é\u202e", "a" * 300),
    *(b"", b"\0" * 16, b"\xff" * 15, [], [[]], ["x"], [0] * 20, {}, {"": ""}, {"t": "ping"}),
)


def mutated(valid: Iterable[bytes]) -> st.SearchStrategy[bytes]:
    """Bytes of the right kind with some changed, cut, doubled or spliced with another's."""
    known = list(valid)

    def made(chance: random.Random) -> bytes:
        return _mutate(chance.choice(known), chance.choice(known), chance)

    return _CHANCES.map(made)


#: One number says all that is done to an example: a hundred thousand of them cost half as much as
#: when each step is hypothesis' own choice. What is found is printed whole.
_CHANCES = st.integers(0, 2**64 - 1).map(random.Random)


def _mutate(data: bytes, other: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.choice((0, 1, 1, 2, 4, 8))):
        at, end = sorted(chance.randint(0, len(changed)) for _ in range(2))
        match chance.randrange(6):
            case 0 if changed:
                changed[at % len(changed)] = chance.randrange(256)
            case 1 if changed:
                changed[at % len(changed)] ^= 1 << chance.randrange(8)
            case 2:
                del changed[at:end]
            case 3:
                changed[at:at] = changed[at : at + 40]
            case 4:
                changed[at:end] = other[min(at, len(other)) :][: end - at]
            case 5:
                changed[at:at] = chance.randbytes(chance.randrange(9))
    return bytes(changed)


def remade(valid: Iterable[bytes]) -> st.SearchStrategy[bytes]:
    """MessagePack whose shape has changed: values of other types, keys that are missing, doubled
    or new, one part in the place of another."""
    trees = [msgspec.msgpack.decode(body) for body in valid]

    def made(chance: random.Random) -> bytes:
        tree = chance.choice(trees)
        for _ in range(chance.choice((1, 1, 2, 3))):
            tree = _change(tree, chance)
        return msgspec.msgpack.encode(tree)

    return _CHANCES.map(made)


def _change(tree: Any, chance: random.Random) -> Any:
    """The tree with one thing changed, somewhere in it."""
    inside = isinstance(tree, (dict, list)) and tree and chance.random() < 0.8
    if isinstance(tree, dict):
        if inside and chance.random() < 0.7:
            key = chance.choice(list(tree))
            return {**tree, key: _change(tree[key], chance)}
        keys = [*tree, "grease", "v", "later", "t", "id"]
        key = chance.choice(keys)
        if key in tree and chance.random() < 0.5:
            return {left: value for left, value in tree.items() if left != key}
        return {**tree, key: chance.choice([*ODD, *tree.values()])}
    if isinstance(tree, list) and inside:
        at = chance.randrange(len(tree))
        return [*tree[:at], _change(tree[at], chance), *tree[at + chance.randrange(2) :]]
    match tree:
        case str() if chance.random() < 0.6:
            return _change_text(tree, chance)
        case bytes() if chance.random() < 0.6:
            return _mutate(tree, b"\x30\x80\xff", chance)
        case int() | float() if chance.random() < 0.5:
            return min(max(tree + chance.choice((-1, 1, 256, 0.5)), -(2**63)), 2**64 - 1)
        case _:
            return chance.choice(ODD)


#: What separates, quotes or escapes in one of the notations.
_MARKS = "/,:=%[]{}()<>|#&?;+@.*!~-_ '\"\\\n\0é\u202e"


def texts(valid: Iterable[str], marks: str = _MARKS) -> st.SearchStrategy[str]:
    """Text of the right kind with some of it changed, cut, doubled or spliced with another's."""
    known = list(valid)

    def made(chance: random.Random) -> str:
        text, other = chance.choice(known), chance.choice(known)
        for _ in range(chance.choice((0, 1, 1, 2, 3, 5))):
            text = _change_text(text, chance, other, marks)
        return text

    return _CHANCES.map(made)


def _change_text(text: str, chance: random.Random, other: str = "", marks: str = _MARKS) -> str:
    at, end = sorted(chance.randint(0, len(text)) for _ in range(2))
    match chance.randrange(6):
        case 0:
            return text[:at] + chance.choice(marks) + text[at:]
        case 1:
            return text[:at] + chance.choice(marks) + text[at + 1 :]
        case 2:
            return text[:at] + text[end:]
        case 3:
            return text[:end] + text[at:]
        case 4 if other:
            return text[:at] + other[chance.randrange(len(other)) :]
        case _:
            digits = chance.choice(("0", "9", "65536", "255", "%41", "%2f", "%FF", "::", "xn--"))
            return text[:at] + digits + text[at:]
