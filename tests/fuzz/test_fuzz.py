"""Everything that reads bytes or text from outside, given anything at all: it answers with a value,
or with an error that says whose fault it is, and in bounded room. `make fuzz` tries for longer."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glasnost.core.wire import header
from tests.fuzz.counts import COUNTS
from tests.fuzz.parser import Parser
from tests.fuzz.table import PARSERS

#: Inputs that are drawn together: what hypothesis does around them costs more than most parsers.
BATCH = 20


@pytest.mark.parametrize("parser", PARSERS, ids=repr)
def test_anything_is_read_or_refused(parser: Parser) -> None:
    count = COUNTS[parser.name]

    @settings(max_examples=-(-settings().max_examples // BATCH))
    @given(st.lists(parser.inputs, min_size=BATCH, max_size=BATCH))
    def some(values: list[object]) -> None:
        for value in values:
            count.examples += 1
            count.taken += parser.check(value)

    begun = time.monotonic()
    some()
    count.seconds = time.monotonic() - begun


@pytest.mark.parametrize("parser", PARSERS, ids=repr)
def test_what_it_begins_with_is_read(parser: Parser) -> None:
    """The valid ones are valid: else what is made from them would only be noise."""
    assert any(parser.check(parser.of(seed)) for seed in parser.seeds())


@given(st.text(max_size=40), st.text(st.characters(exclude_categories=[]), max_size=700))
def test_any_reason_can_be_said(code: str, why: str) -> None:
    answer = header.answer_in(header.encode_answer(header.Answer(code, why)))
    assert answer is not None
    assert answer.code == code
