"""What HTCondor's own library makes of texts, against what is made of them here."""

from typing import Any

import classad2
from hypothesis import assume, given
from hypothesis import strategies as st

from glasnost.condor.classad import ERROR, Ad, Expression, Value
from glasnost.condor.classad.references import references
from glasnost.condor.classad.syntax import expressions, plausible
from glasnost.condor.classad.values import read_value, write_value
from glasnost.condor.judge import evaluate, parses
from tests.condor.classad.strategies import NAMES, TEXTS, VALUES

ASCII = st.text(st.characters(max_codepoint=126, exclude_characters="\0\n\r"), max_size=12)
#: Others are put in quotes there.
ASCII_NAMES = NAMES.filter(lambda name: name.isascii() and name.isidentifier())


def library(text: str) -> Any:
    """What the library reads as a line's value; None if it reads none."""
    try:
        ad = classad2.parseNext(f"A = {text}\n", classad2.ParserType.Old)
    except classad2.ClassAdException:
        return None
    return ad and ad["A"]


def as_ours(value: Any) -> Value:
    if isinstance(value, classad2.Value):
        return ERROR if value == classad2.Value.Error else None
    return value  # type: ignore[no-any-return]


@given(TEXTS.filter(lambda text: "\n" not in text and text.strip()))
def test_what_is_a_value_here_is_the_same_there(text: str) -> None:
    value = read_value(text.strip())
    if not isinstance(value, Expression):
        theirs = as_ours(library(text.strip()))
        assert (theirs, type(theirs)) == (value, type(value))


@given(VALUES.filter(lambda value: "\n" not in str(value) and "\r" not in str(value)))
def test_what_is_written_here_is_read_there(value: Value) -> None:
    assert as_ours(library(write_value(value))) == value


@given(st.dictionaries(ASCII_NAMES, VALUES, max_size=5))
def test_what_is_written_there_is_read_here(values: dict[str, Value]) -> None:
    theirs = classad2.ClassAd()
    for name, value in values.items():
        theirs[name] = classad2.Value.Error if value is ERROR else value
    lines = theirs.printOld().encode().split(b"\n")[:-1]
    assume(len(lines) == len(theirs))  # a text with a line break is not one line there
    read = Ad.from_lines(lines)
    for name in theirs:
        ours, written = read[name], as_ours(theirs[name])
        if isinstance(written, float):  # 16 digits are written of them, which rounds the largest up
            assume(written == 0 or 1e-300 < abs(written) < 1e308)
            assert isinstance(ours, float)
            assert abs(ours - written) <= 1e-15 * abs(written)
        else:
            assert ours == written


#: Expressions of all sorts, as text.
OPERANDS = st.sampled_from(
    ["A", "Bb", "MY.Cc", "TARGET.Dd", "3", "2.5", '"x"', '"Ee"', "true", "undefined", "'Ff'"]
)
EXPRESSIONS = st.recursive(
    OPERANDS,
    lambda inner: st.one_of(
        st.builds(
            "({} {} {})".format,
            inner,
            st.sampled_from(["+", "*", "==", "&&", "||", "=?=", "<"]),
            inner,
        ),
        st.builds("!{}".format, inner),
        st.builds("ifThenElse({}, {}, {})".format, inner, inner, inner),
        st.builds("({} ? {} : {})".format, inner, inner, inner),
        st.builds("{{ {}, {} }}".format, inner, inner),
        st.builds("strcat({}, {})".format, inner, inner),
    ),
    max_leaves=8,
)


@given(EXPRESSIONS)
def test_an_expression_speaks_of_what_the_library_says(text: str) -> None:
    tree = classad2.ExprTree(text)
    every = classad2.ClassAd(dict.fromkeys(("A", "Bb", "Cc", "Dd", "Ee", "Ff"), 1))
    theirs = {name.lower().encode() for name in every.internalRefs(tree)} - {b""}
    ours = set(references(text))
    # Neither TARGET nor its attributes are the ad's; here they are taken for some of it.
    assert theirs <= ours <= theirs | {b"dd", b"my", b"target"}


@given(EXPRESSIONS)
def test_an_expression_is_plausible(text: str) -> None:
    assert parses(text)
    assert plausible(text)


@given(st.lists(TEXTS.filter(lambda text: bool(text.strip())), max_size=4))
def test_the_expressions_of_an_ad_are_those_that_are_no_values(texts: list[str]) -> None:
    lines = [f"A{number} = {text}".encode() for number, text in enumerate(texts)]
    stripped = [text.strip(" \t\r\n") for text in texts]
    assert expressions(lines) == [
        text for text in stripped if isinstance(read_value(text), Expression)
    ]


ROWS = st.dictionaries(
    st.sampled_from(["A", "Bb", "Cc", "Ee", "Ff"]),
    st.one_of(st.integers(-3, 3), st.booleans(), st.none(), st.just(ERROR), ASCII),
    max_size=5,
)


@given(EXPRESSIONS, ROWS)
def test_an_expression_holds_as_there(text: str, values: dict[str, Value]) -> None:
    """The row by way of its lines, against the library given the values themselves."""
    ad = classad2.ClassAd()
    for name, value in values.items():
        ad[name] = classad2.Value.Error if value is ERROR else value
    theirs = classad2.ExprTree(text).eval(ad)
    holds = isinstance(theirs, int | float) and not isinstance(theirs, classad2.Value)
    row = b"\0".join(Ad(values).lines())
    assert evaluate(text, [row]) == [holds and theirs != 0]


@given(EXPRESSIONS, st.dictionaries(NAMES, VALUES, max_size=3))
def test_any_row_is_evaluated(text: str, values: dict[str, Value]) -> None:
    row = b"\0".join(Ad({**values, "Broken": Expression("((")}).lines())
    assert evaluate(text, [row, b""])[0] in (True, False)
