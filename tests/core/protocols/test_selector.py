"""Selectors and labels: what is written is what is meant."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glasnost.core.protocols.selector import Term, parse_labels

KEYS = st.text("abz09._-/", min_size=1, max_size=64)
VALUES = st.none() | st.text(st.characters(exclude_characters=","), max_size=64)


@given(st.builds(Term, KEYS, VALUES, st.booleans()))
def test_a_term_prints_what_it_reads(term: Term) -> None:
    assert Term.parse(str(term)) == term


@given(st.text(max_size=200))
def test_any_text_is_a_term_or_an_error(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert str(Term.parse(text)) == text


@given(st.builds(Term, st.sampled_from("ab"), st.none() | st.sampled_from("xy"), st.booleans()))
def test_a_term_or_its_opposite_holds(term: Term) -> None:
    opposite = Term(term.key, term.value, not term.wanted)
    for labels in ({}, {"a": "x"}, {"a": "y", "b": "x"}):
        assert term.holds(labels) is not opposite.holds(labels)


WRONG = [
    (["role"], "not key=value"),
    (["ro le=x"], "not key=value"),
    (["role=a,b"], "not key=value"),
    (["role=" + "x" * 65], "exceeds 64 characters"),
    (["role=a", "role=b"], "given twice"),
    ([f"k{number}=x" for number in range(17)], "at most 16 labels"),
]


@pytest.mark.parametrize("texts, why", WRONG)
def test_labels_that_nobody_could_choose_by_are_refused(texts: list[str], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_labels(texts)


def test_labels() -> None:
    assert parse_labels(["role=startd", "note=a=b", "empty="]) == {
        "role": "startd",
        "note": "a=b",
        "empty": "",
    }
