"""What a collector is asked: the bytes that HTCondor's own bindings send."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from glasnost.condor.cedar.values import Writer
from glasnost.condor.questions import LOCATED, Question, about, located

RECORDED = Path("tests/vectors/condor/conversations.json").read_text()


def body(question: Question, raw: bool = True) -> str:
    writer = Writer()
    if raw:
        writer.integer(question.command)
    writer.ad(question.ad.lines())
    return writer.message().hex()


CASES = [
    ("a query", about("schedd", "X > 1", ["Name", "X"]), True),
    ("to locate a daemon", located("s1@h", "schedd"), False),
]


@pytest.mark.parametrize(
    ("question", "raw"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_it_is_what_the_bindings_send(question: Question, raw: bool) -> None:
    (recorded,) = {text for text in json_texts(RECORDED) if text == body(question, raw)}
    assert recorded


def json_texts(text: str) -> list[str]:
    """Every string below."""
    found: list[str] = []

    def walk(value: object) -> None:
        match value:
            case str():
                found.append(value)
            case list():
                for one in value:
                    walk(one)
            case dict():
                for one in value.values():
                    walk(one)

    walk(json.loads(text))
    return found


@pytest.mark.parametrize(
    ("called", "command", "target"),
    [
        ("startd", 5, "Machine"),
        ("Machine", 5, "Machine"),
        ("StartD", 5, "Machine"),
        ("schedd", 6, "Scheduler"),
        ("master", 7, "DaemonMaster"),
        ("Submitter", 12, "Submitter"),
        ("collector", 20, "Collector"),
        ("negotiator", 50, "Negotiator"),
        ("any", 48, "Any"),
        ("Backfill", 74, "Backfill"),
    ],
)
def test_tables_are_found_by_what_people_call_them(called: str, command: int, target: str) -> None:
    question = about(called)
    assert (question.command, question.ad["TargetType"]) == (command, target)
    assert question.ad.text("Requirements") == "true" and "Projection" not in question.ad


def test_what_is_wanted_of_them() -> None:
    ad = about("any", limit=5, projection=LOCATED).ad
    assert ad["LimitResults"] == 5 and ad["Projection"] == " ".join(LOCATED)
    assert located("vm").ad.text("Requirements") == '(((Name == "vm") || (Machine == "vm")))'
    assert "LocationQuery" not in located("vm").ad
    # A collector is called as its pool; people know its host.
    assert "Machine ==" in located("vm", "collector").ad.text("Requirements")
    assert "Machine ==" not in located("vm", "schedd").ad.text("Requirements")


@pytest.mark.parametrize("text", ["a\0b", "Memory >", "(a", "a)", '"a', "a = b ="])
def test_a_constraint_that_cannot_be_said_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"zero byte|no expression"):
        about("any", text)
