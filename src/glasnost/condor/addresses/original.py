"""Reads the original notation: ``<host:port?key=value&key>``.

Reads shapes only. Whether CCBID and PrivAddr hold what they should is found out by unfolding the
address into routes (`sinful_v1`), which is how HTCondor finds it out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from glasnost.condor.addresses.endpoint import IpPort
from glasnost.condor.addresses.escaping import broken, unescape
from glasnost.condor.addresses.limits import MAX_PORT_DIGITS, MAX_PORT_NUMBER, MAX_TEXT
from glasnost.condor.addresses.sinful import ADDRS, Sinful, in_order
from glasnost.errors import SinfulError

_WHOLE: Final = re.compile(
    r"<(?:\[(?P<bracketed>[^\]]*+)\]|(?!\[)(?P<host>[^:?>]*+))"
    r"(?::(?P<port>[0-9]*+))?(?:\?(?P<params>[^>]*+))?>"
)
_PARAM: Final = re.compile(r"[^&;]++")
_UNFIT: Final = re.compile("[\0\ud800-\udfff]")


def parse_original(text: str) -> Sinful:
    """Read the original notation; a `SinfulError` says the column and what it expected."""
    return read_original(text)[0]


def read_original(text: str) -> tuple[Sinful, dict[str, int]]:
    """Read the original notation; also says at which column each parameter begins."""
    if len(text) > MAX_TEXT:
        raise SinfulError(text, MAX_TEXT + 1, f"an end within {MAX_TEXT} characters")
    if unfit := _UNFIT.search(text):
        raise SinfulError(text, unfit.start() + 1, "a character that UTF-8 and C can express")
    whole, before = _wrapped(text)
    found = _WHOLE.fullmatch(whole)
    if found is None:
        at, expected = _misshapen(whole)
        raise SinfulError(text, min(max(at - before, 0), len(text)) + 1, expected)
    port = found["port"] or None
    if port and (len(port) > MAX_PORT_DIGITS or int(port) > MAX_PORT_NUMBER):
        raise SinfulError(
            text, found.start("port") - before + 1, f"a port of at most {MAX_PORT_NUMBER}"
        )
    params, columns = {}, {}
    for key, value, at in _params(text, found["params"] or "", found.start("params") - before):
        params[key], columns[key] = value, at + 1
    addrs = _addrs(text, params.get(ADDRS, ""), columns.get(ADDRS, 1))
    host = found["bracketed"] if found["host"] is None else found["host"]
    return Sinful(host, port, in_order(params), addrs), columns


def _wrapped(text: str) -> tuple[str, int]:
    """Put what people write into angle brackets; also says how many characters went before."""
    if text.startswith("<"):
        return text, 0
    # A bare IPv6 address; "h:1?k=a:b" is none, as only what stands before "?" counts.
    if not text.startswith("[") and text.partition("?")[0].count(":") >= 2:
        return f"<[{text}]>", 2
    return f"<{text}>", 1


def _params(text: str, params: str, start: int) -> Iterator[tuple[str, str, int]]:
    """Key, value and beginning of each parameter; of equal keys the last one counts."""
    for found in _PARAM.finditer(params):
        at = start + found.start()
        if (wrong := broken(found[0])) is not None:
            raise SinfulError(text, at + wrong + 1, 'two hexadecimal digits after "%"')
        key, _, value = found[0].partition("=")
        key, value = unescape(key), unescape(value)
        if not key or "\0" in key:
            raise SinfulError(text, at + 1, "the key of a parameter")
        # HTCondor's strings end at a zero byte. It prints "=" for a value that begins with one.
        head, zero, _ = value.partition("\0")
        yield key, head or zero, at


def _addrs(text: str, value: str, column: int) -> tuple[IpPort, ...]:
    addrs = []
    for item in filter(None, value.partition("\0")[0].split("+")):
        addr = IpPort.parse_ccb_safe(item)
        if addr is None:
            raise SinfulError(text, column, f"addrs of the form IP-PORT, and {item!r} is none")
        addrs.append(addr)
    return tuple(addrs)


def _misshapen(whole: str) -> tuple[int, str]:
    """Where a text goes wrong that `_WHOLE` refuses (from 0), and what should be there."""
    if whole.startswith("<["):
        at = whole.find("]") + 1
        if not at:
            return len(whole), '"]" at the end of the address in brackets'
    else:
        at = _first(whole, ":?>", 1)
    if whole.startswith(":", at):
        at += 1
        while at < len(whole) and whole[at] in "0123456789":
            at += 1
        expected = 'digits, then "?" or ">"'
    else:
        expected = '":" and a port, "?" or ">"'
    if whole.startswith("?", at):
        at, expected = _first(whole, ">", at), '">" at the end'
    if whole.startswith(">", at):
        return at + 1, 'nothing after the first ">"'
    return at, expected


def _first(text: str, characters: str, start: int) -> int:
    """Where the first of some characters stands, or the end."""
    found = re.compile(f"[{characters}]").search(text, start)
    return found.start() if found else len(text)
