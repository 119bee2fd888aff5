"""Parsers of HTCondor's ads."""

from __future__ import annotations

import contextlib

from hypothesis import strategies as st

from glasnost.condor.classad import Ad, Expression, read_list, read_security_ad
from glasnost.condor.classad.values import read_value, write_value
from glasnost.errors import ProtocolError
from tests.fuzz.parser import Parser, mutated, text_of, texts

_CLASSAD = "glasnost.condor.classad"
LITERALS = [
    *(r'"x\"y\z"', '""', "-3", "2.5", "1E+100", ".5", "true", "undefined", "error"),
    *("A + B > 3 && (D =?= undefined)", '{ 1,"a, b",true }', '[ a = 1; b = "q" ]', 'real("INF")'),
]
LINES = [f"Attribute{number} = {text}".encode() for number, text in enumerate(LITERALS)]
#: Lines, each with the byte behind it that ends it on the wire.
ADS = [b"".join(line + b"\0" for line in LINES[at:]) for at in range(0, len(LINES), 3)]


def check_text(text: str) -> bool:
    value = read_value(text)
    if isinstance(value, Expression):
        assert value == text
        return read_list(text) is not None
    assert read_value(write_value(value)) == value
    return True


def check_ad(data: bytes) -> bool:
    lines = data.split(b"\0")[:-1]
    try:
        ad = Ad.from_lines(lines)
    except ProtocolError:
        return False
    assert len(ad) <= len(lines)
    assert Ad.from_lines(ad.lines()) == ad
    with contextlib.suppress(ProtocolError):  # it takes less
        assert read_security_ad(lines) == ad
    return True


PARSERS = [
    Parser(
        "ClassAd: values",
        (f"{_CLASSAD}.values.read_value", f"{_CLASSAD}.values.read_list"),
        check_text,
        st.text(max_size=60) | texts(LITERALS),
        text_of,
        lambda: [text.encode() for text in LITERALS],
    ),
    Parser(
        "ClassAd: lines",
        (f"{_CLASSAD}.ad.Ad.from_lines", f"{_CLASSAD}.security.read_security_ad"),
        check_ad,
        st.binary(max_size=100) | mutated(ADS),
        seeds=lambda: ADS,
    ),
]
