"""The whole way of a query against HTCondor's library, given every ad whole."""

from typing import Any

import classad2
from hypothesis import given, settings
from hypothesis import strategies as st

from glasnost.condor.classad import Ad, Expression, Value
from glasnost.condor.collector import Channel, Collector
from glasnost.condor.judge import evaluate, parses
from tests.condor.classad.test_library import EXPRESSIONS
from tests.condor.collector.helpers import QUERY_SCHEDD, SCHEDD, ads_in, query

ATTRIBUTES = ("A", "Bb", "Cc", "Ee", "Ff")
ADS = st.lists(
    st.dictionaries(
        st.sampled_from(ATTRIBUTES),
        st.one_of(
            st.integers(-2, 4), st.booleans(), st.sampled_from(["x", "Ee", 'q"\\']), st.none()
        )
        | EXPRESSIONS.map(Expression),
    ),
    max_size=6,
)


def pool(ads: list[dict[str, Value]]) -> Collector:
    collector = Collector(is_expression=parses)
    for number, values in enumerate(ads):
        whole: dict[str, Value] = {"Name": f"s{number}", "MyAddress": "<h:1>", **values}
        assert collector.update(SCHEDD, Ad(whole), 0)
    return collector


def library_ad(ad: Ad) -> Any:
    text = b"\n".join(ad.lines()).decode() + "\n"
    return classad2.parseNext(text, classad2.ParserType.Old)


def parsed(text: str) -> Any:
    return classad2.parseNext(f"R = {text}\n", classad2.ParserType.Old).lookup("R")


@settings(max_examples=200)
@given(ADS, EXPRESSIONS)
def test_requirements_mean_the_same_ads(ads: list[dict[str, Value]], requirements: str) -> None:
    collector = pool(ads)
    expected = set()
    for ad in ads_in(collector.query(QUERY_SCHEDD, query())):
        value = parsed(requirements).eval(library_ad(ad))
        if isinstance(value, int | float) and not isinstance(value, classad2.Value) and value:
            expected.add(ad["Name"])
    answer = collector.query(QUERY_SCHEDD, query(requirements))
    found = ads_in(answer, judge=lambda work: evaluate(work.expression, work.rows))
    assert {ad["Name"] for ad in found} == expected


def closure(ad: Ad, names: set[str]) -> set[str]:
    """The attributes of these names and those that they speak of, in lower case."""
    # (Asked of the ad itself, the library gives up where an attribute speaks of itself.)
    every = classad2.ClassAd(dict.fromkeys(ATTRIBUTES, 1))
    wanted = {name.lower() for name in names if name in ad}
    while True:
        trees = [parsed(ad.text(name)) for name in wanted]
        spoken = {one.lower() for tree in trees for one in every.internalRefs(tree)}
        more = {name for name in spoken if name in ad} - wanted
        if not more:
            return wanted
        wanted |= more


@settings(max_examples=200)
@given(ADS, st.sets(st.sampled_from([*ATTRIBUTES, "Name", "Zz"]), min_size=1))
def test_a_projection_brings_at_least_what_the_library_says(
    ads: list[dict[str, Value]], projection: set[str]
) -> None:
    collector = pool(ads)
    asked = query(Projection=" ".join(projection))
    whole = ads_in(collector.query(QUERY_SCHEDD, query()))
    for channel in (Channel(), Channel(encrypted=True)):
        thin = ads_in(collector.query(QUERY_SCHEDD, asked), channel)
        assert len(thin) == len(whole)
        for ad, all_of_it in zip(thin, whole, strict=True):
            assert closure(all_of_it, projection) <= {name.lower() for name in ad}
            assert all(ad.text(name) == all_of_it.text(name) for name in ad)
