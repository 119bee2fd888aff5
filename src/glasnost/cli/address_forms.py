"""The forms in which an address can be typed and printed, by name; and which one a text is in."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from typing import Final, NamedTuple, TypeVar

from glasnost.core.address import Address
from glasnost.core.address.display import display, parse_display
from glasnost.core.address.forms import from_json, from_msgpack, to_builtins, to_msgpack
from glasnost.core.address.limits import MAX_FORM
from glasnost.core.address.notation import notation, parse_notation
from glasnost.errors import AddressError, FormError, GlasnostError

T = TypeVar("T")

#: Characters that are read of stdin at most: the longest form, in base64.
MOST: Final = 2 * MAX_FORM

#: A result, and what of the address it does not say.
Told = tuple[T, tuple[str, ...]]


class Form(NamedTuple):
    """One form: what it is, its reader and its writer."""

    what: str
    read: Callable[[str], Told[Address]]
    write: Callable[[Address], Told[str]]


def _exact(what: str, read: Callable[[str], Address], write: Callable[[Address], str]) -> Form:
    """A form that says all there is to say."""
    return Form(what, lambda text: (read(text), ()), lambda address: (write(address), ()))


def _from_json(text: str) -> Address:
    return from_json(Address, text.encode("utf-8", "surrogatepass"))


def _to_json(address: Address) -> str:
    # In ASCII, so that there is nothing to escape for a terminal.
    return json.dumps(to_builtins(address), separators=(",", ":"))


def _from_base64(text: str) -> Address:
    try:
        data = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise FormError("$", "MessagePack in base64") from None
    return from_msgpack(Address, data)


def _to_base64(address: Address) -> str:
    return base64.b64encode(to_msgpack(address)).decode()


def _from_sinful(text: str) -> Told[Address]:
    from glasnost.condor import parse
    from glasnost.condor.addresses.to_address import to_address

    made = to_address(parse(text))
    missing = tuple(map(str, made.missing))
    if made.result is None:
        raise GlasnostError("\n".join(["nothing of this can be dialled", *missing]))
    return made.result, missing


def _to_sinful(address: Address) -> Told[str]:
    from glasnost.condor.addresses.from_address import from_address

    made = from_address(address)
    missing = tuple(map(str, made.missing))
    if made.result is None:
        raise GlasnostError("\n".join(["HTCondor can express none of these routes", *missing]))
    return str(made.result), missing


FORMS: Final[dict[str, Form]] = {
    "text": _exact("one line, as in settings and records", Address.parse, str),
    "display": _exact("alternatives as {a|b}, quoted", parse_display, display),
    "talk": _exact("(IPv4, 192.0.2.1, 80), (CCB, 381)", parse_notation, notation),
    "json": _exact("JSON", _from_json, _to_json),
    "msgpack": _exact("MessagePack in base64", _from_base64, _to_base64),
    "sinful": Form("HTCondor's <192.0.2.1:9618?sock=x>", _from_sinful, _to_sinful),
}


def guess(text: str) -> str:
    """The name of the form that a text seems to be in; base64 is never guessed.

    >>> guess("ip4:192.0.2.1:1"), guess("(CCB, 1)"), guess("'a/{b|c}'")
    ('text', 'talk', 'display')
    >>> guess('{"v": 1}'), guess("<192.0.2.1:9618>"), guess('{[ p="IPv4"; ]}')
    ('json', 'sinful', 'sinful')
    """
    start = text.lstrip()
    if start.startswith("<"):
        return "sinful"
    if start.startswith("{"):
        inside = start[1:].lstrip()[:1]
        return {"[": "sinful", '"': "json", "}": "json"}.get(inside, "display")
    if "(" in text:
        return "talk"
    return "display" if "{" in text or start[:1] in ("'", '"') else "text"


def read(text: str, name: str) -> Told[Address]:
    """An address in the form of that name; an error shows what stands where it points."""
    try:
        return FORMS[name].read(text)
    except AddressError as error:
        there = error.text[error.column - 1 :][:20]
        found = f"but there is {there!r}" if there else "but it ends there"
        raise GlasnostError(f"{error}, {found}") from None
