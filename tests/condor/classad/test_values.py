"""Literals become Python's values and back; everything else stays the text it is."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glasnost.condor.classad import ERROR, Expression, Value, read_list
from glasnost.condor.classad.values import read_value, write_value
from tests.condor.classad.strategies import STRINGS, TEXTS, VALUES

LITERALS = [
    # text, value
    ('""', ""),
    (r'"x\"y\z"', 'x"y\\z'),
    (r'"a\"', "a\\"),  # the last quote ends the string, whatever stands before it
    (r'"a\\"', "a\\\\"),
    (r'"\n"', "\\n"),
    ('"tab\tand\nline"', "tab\tand\nline"),
    ("0", 0),
    ("-3", -3),
    ("9223372036854775807", 2**63 - 1),
    ("-9223372036854775808", -(2**63)),
    ("2.5", 2.5),
    (".5", 0.5),
    ("1E+100", 1e100),
    ("true", True),
    ("FALSE", False),
    ("Undefined", None),
    ("error", ERROR),
]


@pytest.mark.parametrize("text, value", LITERALS)
def test_a_literal_is_a_value(text: str, value: Value) -> None:
    read = read_value(text)
    assert (read, type(read)) == (value, type(value))


@pytest.mark.parametrize(
    "text",
    [
        *("A", "A + B > 3 && (D =?= undefined)", "{ 1,2 }", '[ a = 1; b = "q" ]', "", "t", "'x'"),
        *(
            '"a" + "b"',
            '"a',
            '"',
            'a"',
            "- 5",
            "+5",
            "1.",
            "1.5K",
            "0x1F",
            "1 // one",
            'real("INF")',
        ),
        # HTCondor reads these as another number, or not at all.
        *("01", "9223372036854775808", "99999999999999999999", "1e999", "9" * 100_000),
    ],
    ids=lambda text: text[:20],
)
def test_whatever_is_no_literal_stays_a_text(text: str) -> None:
    assert type(read_value(text)) is Expression
    assert read_value(text) == text


WRITTEN = [
    # value, text
    ('x"y\\z', r'"x\"y\z"'),
    (67, "67"),
    (True, "true"),
    (2.5, "2.5"),
    (1e100, "1E+100"),
    (1.0, "1.0"),
    (-0.0, "-0.0"),
    (math.inf, 'real("INF")'),
    (-math.inf, 'real("-INF")'),
    (math.nan, 'real("NaN")'),
    (None, "undefined"),
    (ERROR, "error"),
    (Expression("A + B"), "A + B"),
]


@pytest.mark.parametrize("value, text", WRITTEN)
def test_a_value_is_written_as_htcondor_writes_it(value: Value, text: str) -> None:
    assert write_value(value) == text


@pytest.mark.parametrize("value", ["a\0b", Expression("\0"), Expression(" "), 2**63, -(2**63) - 1])
def test_what_an_ad_cannot_say_is_refused(value: Value) -> None:
    with pytest.raises(ValueError, match=r"zero byte|64 bits"):
        write_value(value)


@given(VALUES)
def test_what_is_written_reads_back(value: Value) -> None:
    read = read_value(write_value(value))
    assert (read, type(read)) == (value, type(value))


@given(TEXTS)
def test_any_text_is_a_value_or_itself(text: str) -> None:
    value = read_value(text)
    if isinstance(value, Expression):
        assert value == text
    else:
        assert read_value(write_value(value)) == value


LISTS = [
    ("{ 1,2 }", [1, 2]),
    ("{}", []),
    (' { "a, b" , "c\\"},d",true } ', ["a, b", 'c"},d', True]),
    ("{ 1,A }", None),
    ("{ 1,{ 2 } }", None),
    ("{ 1, }", None),
    ("{ 1,2", None),
    ("1,2", None),
    ("", None),
]


@pytest.mark.parametrize("text, values", LISTS)
def test_a_list_of_literals_is_read(text: str, values: list[Value] | None) -> None:
    assert read_list(text) == values


@given(st.lists(st.one_of(st.integers(-9, 9), STRINGS.filter(lambda text: text[-1:] != "\\"))))
def test_any_list_of_literals_reads_back(values: list[Value]) -> None:
    assert read_list("{ " + ",".join(map(write_value, values)) + " }") == values
