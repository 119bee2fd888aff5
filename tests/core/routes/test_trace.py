"""A trace: marks become spans, and what failed says where."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glasnost.core.routes import Mark, Span, Trace
from tests.stages.crossing import crossing, path

FRONT = "public/ip4:192.0.2.1:9618/service:broker"
BROKERED = path(f"{FRONT}/ccb:node7/service:web", crossing(2, "relay"))


def test_each_thing_lasts_until_the_next_one_begins() -> None:
    """The broker is met, then once more for the leg, so that stages come twice."""
    marks = [
        Mark(10.0, 2, ""),
        Mark(10.0, 0, "connect"),
        Mark(10.5, 1, "send header"),
        Mark(10.5, 2, "TLS with broker"),
        Mark(11.0, 2, "ask for relay"),
        Mark(13.0, 0, "connect"),
        Mark(13.25, 1, "send header"),
        Mark(13.25, 3, "send header"),
        Mark(13.25, 3, "TLS handshake"),
    ]
    trace = Trace.of(BROKERED, marks, 14.0)
    assert trace.spans == (
        Span(1, "ip4:192.0.2.1:9618", "connect", 0.5),
        Span(2, "service:broker", "send header", 0.0),
        Span(3, "ccb:node7", "TLS with broker", 0.5),
        Span(3, "ccb:node7", "ask for relay", 2.0),
        Span(1, "ip4:192.0.2.1:9618", "connect", 0.25),
        Span(2, "service:broker", "send header", 0.0),
        Span(4, "service:web", "send header", 0.0),
        Span(4, "service:web", "TLS handshake", 0.75),
    )
    assert (trace.seconds, trace.number, trace.why) == (4.0, 4, "")
    assert str(trace) == "route 1 by relay in 4000 ms"


CASES = [
    # name, marks, number, says
    (
        "the stage that the failure names",
        [Mark(1.0, 0, "connect")],
        3,
        "route 1 by relay, stage 3 (ccb:node7): no answer after 1000 ms",
    ),
    (
        "else the last that was begun",
        [Mark(1.0, 0, "connect"), Mark(1.5, 1, "send header")],
        None,
        "route 1 by relay, stage 2 (service:broker): no answer after 1000 ms",
    ),
    (
        "nothing was begun",
        [],
        None,
        "route 1 by relay, stage 1 (ip4:192.0.2.1:9618): no answer after 0",
    ),
]


@pytest.mark.parametrize(
    ("marks", "number", "says"), [c[1:] for c in CASES], ids=[c[0] for c in CASES]
)
def test_a_failure_says_where(marks: list[Mark], number: int | None, says: str) -> None:
    trace = Trace.of(BROKERED, marks, 2.0, number, "no answer")
    assert str(trace).startswith(says)
    assert trace.as_dict()["failed"] == {
        "stage": trace.number,
        "text": trace.stage,
        "why": "no answer",
    }


@given(st.lists(st.tuples(st.integers(0, 10), st.integers(0, 3), st.sampled_from(["", "do"]))))
def test_time_is_neither_lost_nor_counted_twice(steps: list[tuple[int, int, str]]) -> None:
    """Whatever is marked: the spans and what passed without a word are all of the time."""
    at, marks, silent = 0, [], 0
    for passed, index, deed in steps:
        marks.append(Mark(float(at), index, deed))
        at += passed
        silent += 0 if deed else passed
    trace = Trace.of(BROKERED, marks, float(at))
    assert sum(span.seconds for span in trace.spans) + silent == trace.seconds == at
    assert len(trace.spans) == sum(1 for mark in marks if mark.deed)
    assert json.loads(json.dumps(trace.as_dict()))["reached"] is True
