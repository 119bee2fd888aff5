"""What HTCondor's bindings were recorded to ask, and to be told, by the collector's own parts."""

import json
from pathlib import Path

import pytest

from glasnost.condor.cedar.values import Reader
from glasnost.condor.classad import Ad
from glasnost.condor.classad.answers import AnswerReader
from glasnost.condor.collector import Channel, Collector
from glasnost.condor.judge import evaluate
from tests.condor.collector.helpers import QUERY_SCHEDD, SCHEDD, ads_in

PATH = Path(__file__).parents[2] / "vectors/condor/conversations.json"


def exchanges() -> list[tuple[str, bytes, bytes]]:
    """Each query of a recorded conversation and its answer, in the plain, as bytes."""
    found = []
    for conversation in json.loads(PATH.read_text("utf-8"))["conversations"]:
        for connection in conversation["connections"]:
            asked = b""
            for frame in connection["frames"]:
                if frame["dir"] == "server->client" and asked:
                    found.append(
                        (conversation["name"], asked, bytes.fromhex(frame["packet_plaintext"]))
                    )
                data = bytes.fromhex(frame.get("message_plaintext", ""))
                asked = data if b'MyType = "Query"' in data else b""
    return found


EXCHANGES = exchanges()


def test_the_queries_are_all_there() -> None:
    assert len(EXCHANGES) == 11


@pytest.mark.parametrize("name, asked, told", EXCHANGES, ids=lambda part: str(part)[:30])
def test_the_bindings_are_told_what_they_ask_for(name: str, asked: bytes, told: bytes) -> None:
    raw = name == "query_raw"
    encrypted = asked[8:].find(b"MyType") > 8 * raw
    reader = AnswerReader(encrypted=encrypted)
    ads = reader.feed(told)
    reader.finish()
    collector = Collector()
    for ad in ads:
        assert collector.update(SCHEDD, ad, 0)
    collector.update(SCHEDD, Ad({"Name": "another", "MyAddress": "<h:1>"}), 0)
    message = Reader(asked, encrypted=encrypted)
    assert not raw or message.integer() == QUERY_SCHEDD
    question = Ad.from_lines(message.ad())
    message.end()
    answer = collector.query(QUERY_SCHEDD, question)
    found = ads_in(
        answer,
        Channel(encrypted=encrypted, knows_private=True),
        lambda work: evaluate(work.expression, work.rows),
    )
    wanted = str(question["Projection"]).split()
    assert [dict(ad) for ad in found] == [
        {name: ad[name] for name in sorted(wanted, key=str.lower) if name in ad} for ad in ads
    ]
