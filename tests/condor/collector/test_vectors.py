"""Every conversation and rule that was recorded with the real collector."""

import json
from pathlib import Path
from typing import Any

import pytest

from glasnost.condor.cedar.values import Reader
from glasnost.condor.classad import Ad, Expression
from glasnost.condor.collector import Channel, Collector, kinds
from glasnost.condor.judge import evaluate
from glasnost.errors import Refused
from tests.condor.collector.helpers import QUERY_SCHEDD, SCHEDD, ads_in, names, query, schedd

PATH = Path(__file__).parents[2] / "vectors/condor/collector.json"
VECTORS = json.loads(PATH.read_text("utf-8"))
SEMANTICS = VECTORS["requirements_semantics"]


def body_of(frame: str) -> bytes:
    return bytes.fromhex(frame)[5:]


def played(collector: Collector, request: bytes) -> bytes:
    """What the collector answers to one message on a channel in the clear."""
    reader = Reader(request)
    command = reader.integer()
    ads = []
    while reader.left:
        ads.append(Ad.from_lines(reader.ad()))
    if command in kinds.UPDATES:
        kept = collector.update(command, ads[0], 1000.0, private=ads[1] if ads[1:] else None)
        return int(kept).to_bytes(8, "big") if command == kinds.UPDATE_WITH_ACK else b""
    if command in kinds.QUERIES:
        answer = collector.query(command, ads[0], trusted=True)
        verdicts = [evaluate(work.expression, work.rows) for work in answer.work]
        return b"".join(answer.pieces(Channel(), verdicts))
    collector.remove(collector.invalidate(command, ads[0]))
    return b""


def test_each_conversation_is_answered_byte_by_byte() -> None:
    """They build on each other: what is updated in one is asked for in the next."""
    collector = Collector()
    for conversation in VECTORS["conversations"]:
        sent, answer = (
            [body_of(frame["frame"]) for frame in conversation["frames"] if frame["dir"] == way]
            for way in ("client->server", "server->client")
        )
        if conversation["name"] == "unknown_command":
            with pytest.raises(Refused, match="knows no"):
                played(collector, *sent)
            continue
        played_back = b"".join(played(collector, request) for request in sent)
        assert played_back == b"".join(answer), conversation["name"]


@pytest.mark.parametrize("expression", SEMANTICS["matched"] + SEMANTICS["not_matched"])
def test_requirements_hold_as_they_do_there(expression: str) -> None:
    collector = Collector()
    collector.update(SCHEDD, schedd("pp"), 0)
    answer = collector.query(QUERY_SCHEDD, query(expression))
    found = ads_in(answer, judge=lambda work: evaluate(work.expression, work.rows))
    assert len(found) == (expression in SEMANTICS["matched"])


@pytest.mark.parametrize("case, count", SEMANTICS["limit"].items())
def test_a_limit_is_a_number_above_nothing(case: str, count: int) -> None:
    collector = Collector()
    for name in "abc":
        collector.update(SCHEDD, schedd(name), 0)
    found = names(collector, ad=query(LimitResults=int(case.split()[0])))
    assert len(found) == count


CLOSURE = VECTORS["projection_closure"]
CLOSURES = {case: names for case, names in CLOSURE.items() if case.startswith("projection")}


@pytest.mark.parametrize("case, expected", CLOSURES.items())
@pytest.mark.parametrize("encrypted", [False, True])
def test_a_projection_brings_what_its_lines_speak_of(
    case: str, expected: list[str] | str, encrypted: bool
) -> None:
    collector = Collector()
    values = {name: Expression(text) for name, text in CLOSURE["ad"].items()}
    collector.update(SCHEDD, schedd("s", **values), 0)
    projection: Any = case.removeprefix("projection ")
    projection = Expression("{ " + '"A" }') if "{" in projection else projection.strip('"')
    answer = collector.query(QUERY_SCHEDD, query(Projection=projection))
    (found,) = ads_in(answer, Channel(encrypted))
    assert list(found) == expected if expected != "all" else len(found) > 8


INVALIDATED = [
    # Requirements, other attributes, how many go
    ('TARGET.Name=="i1"', {}, 0),
    ('Name=="i2"', {}, 1),
    ('MY.Name=="i3"', {}, 1),
    ("false", {"Name": "i1"}, 0),
    (None, {"Name": "i1", "MyAddress": "<other:1>"}, 1),
]


def test_the_rules_of_invalidation_are_all_here() -> None:
    assert len(VECTORS["invalidate_semantics"]) == len(INVALIDATED)


@pytest.mark.parametrize("requirements, values, count", INVALIDATED)
def test_what_goes_by_an_invalidation(
    requirements: str | None, values: dict[str, Any], count: int
) -> None:
    collector = Collector()
    for name in ("i1", "i2", "i3"):
        collector.update(SCHEDD, schedd(name), 0)
    removal = collector.invalidate(14, query(requirements, TargetType="Scheduler", **values))
    verdict = evaluate(removal.work.expression, removal.work.rows) if removal.work else ()
    assert collector.remove(removal, verdict) == count
    assert len(names(collector)) == 3 - count
