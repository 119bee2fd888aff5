"""Percent signs in the parameters of an address.

Values are bytes to HTCondor; here they are text, with surrogates for bytes that are not UTF-8.
"""

import re
from typing import Final
from urllib.parse import unquote_to_bytes

#: Whatever is none of these is escaped.
_UNSAFE: Final = re.compile(rb"[^A-Za-z0-9._:#\[\]+-]")
_BROKEN: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_HIGH: Final = re.compile(r"%[89a-f][0-9a-f]")


def escape(value: str) -> str:
    """Write a key or a value.

    >>> escape("<10.0.0.1:5?sock=a b>")
    '%3c10.0.0.1:5%3fsock%3da%20b%3e'
    """
    raw = value.encode("utf-8", "surrogateescape")
    return _UNSAFE.sub(lambda byte: b"%%%02x" % ord(byte[0]), raw).decode("ascii")


def unescape(text: str) -> str:
    """Read a key or a value in which nothing is `broken`."""
    if "%" not in text:
        return text
    return unquote_to_bytes(text).decode("utf-8", "surrogateescape")


def broken(text: str) -> int | None:
    """Where the first percent sign stands that two hexadecimal digits do not follow."""
    found = _BROKEN.search(text)
    return found.start() if found else None


def as_htcondor_escapes(text: str) -> str:
    """What `escape` wrote, with HTCondor's defect: every byte from 80 up becomes ``%ff``.

    >>> as_htcondor_escapes(escape("é"))
    '%ff%ff'
    """
    return _HIGH.sub("%ff", text)
