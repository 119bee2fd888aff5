"""Attributes of the ads of a negotiation: made of values, and read into them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable

from glasnost.condor.cedar.ciphers import KEY_SIZES
from glasnost.condor.cedar.values import Version
from glasnost.condor.classad import Ad, Value
from glasnost.condor.security.keys import POINT_SIZE
from glasnost.condor.security.words import Word
from glasnost.errors import ProtocolError


def made(**values: Value) -> Ad:
    """An ad of those attributes that have a value."""
    return Ad({name: value for name, value in values.items() if value is not None})


def yes(whether: bool) -> str:
    return "YES" if whether else "NO"


def listed(names: Iterable[str]) -> str | None:
    return ",".join(names) or None


def names_of(text: str) -> list[str]:
    return [name for part in text.split(",") if (name := part.strip())]


def encoded(data: bytes) -> str | None:
    return base64.b64encode(data).decode("ascii") if data else None


def text_of(ad: Ad, name: str) -> str:
    value = ad.get(name, "")
    if not isinstance(value, str):
        raise ProtocolError(f"{name} is no text")
    return value


def integer_of(ad: Ad, name: str) -> int:
    value = ad.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ProtocolError(f"{name} is no number")
    return value


def seconds_of(ad: Ad, name: str, default: int) -> int:
    """A number, or a text that holds one, as one of the two is sent."""
    value = ad.get(name, default)
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 11:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ProtocolError(f"{name} is no number of seconds")
    return value


def word_of(ad: Ad, name: str) -> Word:
    return Word.of(text_of(ad, name)) if name in ad else Word.NEVER


def ciphers_of(text: str) -> tuple[str, ...]:
    named = [name.upper() for name in names_of(text)]
    return tuple(dict.fromkeys(name for name in named if name in KEY_SIZES))


def point_of(ad: Ad) -> bytes:
    text = text_of(ad, "ECDHPublicKey")
    if not text:
        return b""
    try:
        point = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        point = b""
    if len(point) != POINT_SIZE:
        raise ProtocolError("a public key that is no point of P-256")
    return point


def version_of(text: str) -> Version | None:
    """The numbers of ``$CondorVersion: 25.14.1 2026-09-24 ... $``.

    >>> version_of("$CondorVersion: 25.14.1 2026-09-24 $"), version_of("what?")
    ((25, 14, 1), None)
    """
    words = text.split(maxsplit=2)
    numbers = words[1].split(".") if len(words) > 1 and words[0] == "$CondorVersion:" else []
    if len(numbers) != 3 or not all(n.isascii() and n.isdigit() and len(n) < 6 for n in numbers):
        return None
    major, minor, patch = map(int, numbers)
    return major, minor, patch
