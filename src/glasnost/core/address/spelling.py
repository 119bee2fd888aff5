"""The letters of an address: which are safe, how the others are encoded, where fields begin.

Knows the shape of a stage and no kind. One regular expression accepts a whole stage; only when it
refuses is the text walked field by field, to say at which column and what was expected there.
All quantifiers are possessive or end at a colon, so matching takes linear time.
"""

import re
from typing import Final
from urllib.parse import unquote_to_bytes

from glasnost.core.address.literals import ip6
from glasnost.errors import AddressError

_WORD: Final = r"[a-z0-9._-]++"
_KEY: Final = r"[A-Za-z0-9._-][a-z0-9._-]*+"
_SAFE: Final = r"(?:[A-Za-z0-9._@+-]++|%[0-9A-Fa-f]{2})++"
_BRACKETED: Final = rf"\[[0-9A-Fa-f:.]++(?:%25{_SAFE})?\]"
_VALUE: Final = rf"(?:{_SAFE}|{_BRACKETED})"

#: Kinds, networks and protocols.
WORD: Final = re.compile(_WORD)
#: Option keys; a capital letter at the beginning makes the option critical.
KEY: Final = re.compile(_KEY)
#: A whole stage.
STAGE: Final = re.compile(rf"{_WORD}(?::{_VALUE})*(?::{_KEY}={_VALUE})*")
#: What a decoded argument may hold: anything that UTF-8 can, but not nothing.
VALUE: Final = re.compile("[^\ud800-\udfff]+")

_FIELD: Final = re.compile(r"(?:\[[^\]]*+\]|[^:\[]++)++")
_ENCODED_VALUE: Final = re.compile(_VALUE)
_OPTION_KEY: Final = re.compile(rf"({_KEY})=")
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._@+-]")
_UNSAFE_BYTE: Final = re.compile(rb"[^A-Za-z0-9._@+-]")

A_WORD: Final = 'lower-case letters, digits, ".", "_" or "-"'


def encode(value: str) -> str:
    """Write one argument: safe characters as they are, every other byte as ``%XX``.

    >>> encode("/run/a b")
    '%2Frun%2Fa%20b'
    """
    if not _UNSAFE.search(value):
        return value
    # Surrogates pass only so that an error can show the value it refuses.
    raw = value.encode("utf-8", "surrogatepass")
    return _UNSAFE_BYTE.sub(lambda byte: b"%%%02X" % ord(byte[0]), raw).decode("ascii")


def encode_host(value: str) -> str:
    """Write a canonical host: an IPv6 literal in brackets, its zone encoded as RFC 6874 does.

    >>> encode_host("fe80::1%eth0"), encode_host("gate.example.org")
    ('[fe80::1%25eth0]', 'gate.example.org')
    """
    if ":" not in value:
        return encode(value)
    literal, percent, zone = value.partition("%")
    return f"[{literal}%25{encode(zone)}]" if percent else f"[{literal}]"


def decode(field: str) -> str:
    """Read one argument that has the right shape; a ``ValueError`` says that it is not UTF-8.

    >>> decode("%2Frun"), decode("[fe80::1%25eth0]")
    ('/run', 'fe80::1%eth0')
    """
    if field[0] == "[":
        field = field[1:-1]
    return unquote_to_bytes(field).decode("utf-8") if "%" in field else field


def is_sound(field: str) -> bool:
    """Whether an argument of the right shape means something: UTF-8, and IPv6 if in brackets."""
    try:
        value = decode(field)
    except ValueError:
        return False
    return field[0] != "[" or ip6(value) is not None


def fields(text: str) -> list[str]:
    """Split a well-shaped stage at its colons, except those in brackets."""
    return _FIELD.findall(text) if "[" in text else text.split(":")


def columns(text: str) -> list[int]:
    """Where each field of a well-shaped stage begins (from 1), and where a further one would."""
    found = [1]
    for field in fields(text):
        found.append(found[-1] + len(field) + 1)
    found[-1] -= 1  # there is no colon behind the last
    return found


def moved(error: AddressError, text: str, by: int) -> AddressError:
    """The same error seen from a larger text, in which the smaller one begins ``by`` later."""
    return AddressError(text, error.column + by, error.expected)


def bad_word(text: str, what: str) -> AddressError:
    """The error for a text that is no `WORD`: the column of its first wrong character."""
    good = WORD.match(text)
    return AddressError(text, good.end() + 1 if good else 1, f"{what} ({A_WORD})")


def misshapen(text: str) -> AddressError:
    """The error for a stage that `STAGE` refuses or in which an argument is not sound."""
    kind = WORD.match(text)
    if kind is None:
        return bad_word(text, "a stage")
    at, options_begun = kind.end(), False
    while at < len(text):
        if text[at] != ":":
            return _bad_character(text, at, "the kind" if at == kind.end() else "the argument")
        at += 1
        option = _OPTION_KEY.match(text, at)
        if options_begun and option is None:
            return AddressError(text, at + 1, "key=value, as arguments stand before options")
        if option is not None:
            at, options_begun = option.end(), True
        value = _ENCODED_VALUE.match(text, at)
        if value is None or not is_sound(value[0]):
            return _bad_value(text, at)
        at = value.end()
    raise AssertionError(f"nothing is wrong with {text!r}")


def _bad_value(text: str, at: int) -> AddressError:
    if text.startswith("[", at):
        return AddressError(text, at + 1, "an IPv6 address in brackets")
    if _ENCODED_VALUE.match(text, at):
        return AddressError(text, at + 1, "UTF-8 behind the percent signs")
    if text.startswith("%", at):
        return _bad_character(text, at, "the argument")
    return AddressError(text, at + 1, "an argument (other characters are written as %XX)")


def _bad_character(text: str, at: int, within: str) -> AddressError:
    if text[at] == "%" and within == "the argument":
        return AddressError(text, at + 1, 'two hexadecimal digits after "%"')
    hint = A_WORD if within == "the kind" else "other characters are written as %XX"
    return AddressError(text, at + 1, f'":", or the end of {within} ({hint})')
