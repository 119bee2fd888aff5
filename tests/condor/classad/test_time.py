"""No text of legal size takes long: quadratic work would take minutes."""

import contextlib
import time
from collections.abc import Callable

import pytest

from glasnost.condor.classad import Ad, read_list
from glasnost.condor.classad.references import references
from glasnost.condor.classad.syntax import expressions, plausible
from glasnost.condor.classad.values import read_value
from glasnost.condor.collector.requirement import MAX_EXPRESSION, Requirement
from glasnost.errors import ProtocolError

READERS: list[Callable[[str], object]] = [
    read_value,
    read_list,
    references,
    plausible,
    lambda text: expressions([text.encode()]),
    lambda text: Ad.from_lines([text.encode()] * 10),
    lambda text: Requirement.of(text[:MAX_EXPRESSION]),
]


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    "head, unit, tail",
    [
        ('"', '\\"', ""),
        ('"', '\\"', '"'),
        ("", '"', "="),
        ("A = ", '"x" ', ""),
        ("{", '",', "}"),
        ('{"', ",", "}"),
        ("", "(", ""),
        ("", "(", 'Name == "x"'),
        ("", "( ", "true"),
        ('Name == "', '\\"', " )"),
        ("A = ", "=", ""),
        ("", "A=", ""),
        ("", "a'", ""),
        ("", "0.", ""),
        ("-", "9", ""),
        ("", "A ", "?"),
    ],
)
def test_no_text_takes_long(read: Callable[[str], object], head: str, unit: str, tail: str) -> None:
    text = head + unit * (300_000 // len(unit)) + tail
    begun = time.process_time()
    with contextlib.suppress(ProtocolError):
        read(text)
    assert time.process_time() - begun < 1
