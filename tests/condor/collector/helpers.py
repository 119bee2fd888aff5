"""A collector in a few words, and answers as ads."""

from collections.abc import Callable, Sequence

from glasnost.condor.classad import Ad, Expression, Value
from glasnost.condor.classad.answers import AnswerReader
from glasnost.condor.collector import Answer, Channel, Collector, Work

CLEAR = Channel()
SCHEDD, QUERY_SCHEDD = 1, 6
SLOT, QUERY_SLOT = 0, 5

#: Who evaluates: gives for each row whether the expression holds.
Judge = Callable[[Work], Sequence[bool]]


def schedd(name: str, **values: Value) -> Ad:
    return Ad({"MyType": "Scheduler", "Name": name, "MyAddress": "<h:1>", **values})


def slot(name: str, **values: Value) -> Ad:
    return Ad({"MyType": "Machine", "Name": name, "Machine": "m", **values})


def query(requirements: str | None = None, **values: Value) -> Ad:
    asked: dict[str, Value] = {"MyType": "Query", **values}
    if requirements is not None:
        asked["Requirements"] = Expression(requirements)
    return Ad(asked)


def ads_in(answer: Answer, channel: Channel = CLEAR, judge: Judge | None = None) -> list[Ad]:
    """The ads of an answer, by way of its bytes."""
    work = answer.work
    assert not work or judge is not None, "somebody has to evaluate"
    verdicts = [judge(one) for one in work] if judge else []
    reader = AnswerReader(encrypted=channel.encrypted)
    ads = [ad for piece in answer.pieces(channel, verdicts) for ad in reader.feed(piece)]
    reader.finish()
    return ads


def names(collector: Collector, command: int = QUERY_SCHEDD, ad: Ad | None = None) -> list[str]:
    """The names of the ads that a query finds."""
    found = ads_in(collector.query(command, ad or query()))
    return [str(ad["Name"]) for ad in found]
