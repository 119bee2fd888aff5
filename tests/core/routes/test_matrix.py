"""The matrix says of every pair what asking about that pair says, also on one machine."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from glasnost.core.routes import Endpoint, Policy, Verdict, can_reach, reach_matrix
from tests.core.routes.endpoints import ENDPOINTS, KINDS

MANY = st.lists(ENDPOINTS, max_size=5)


@given(MANY, MANY, st.booleans())
@settings(max_examples=300)
def test_the_matrix_agrees_with_every_pair(
    sources: list[Endpoint], targets: list[Endpoint], relay: bool
) -> None:
    policy = Policy(relay=relay)
    matrix = reach_matrix(sources, targets, policy, kinds=KINDS)
    said = {
        (one, other): can_reach(source, target, policy, kinds=KINDS)
        for one, source in enumerate(sources)
        for other, target in enumerate(targets)
    }
    assert {pair: matrix.verdict(*pair) for pair in said} == said
    assert +Counter(matrix.counts()) == Counter(said.values())
    missing = list(matrix.unreachable())
    assert len(missing) == len(set(missing))
    assert set(missing) == {pair for pair, verdict in said.items() if verdict is Verdict.NO}


@given(MANY)
@settings(max_examples=200)
def test_a_pool_against_itself_agrees_with_every_pair(pool: list[Endpoint]) -> None:
    matrix = reach_matrix(pool, pool, kinds=KINDS)
    for one, source in enumerate(pool):
        for other, target in enumerate(pool):
            assert matrix.verdict(one, other) is can_reach(source, target, kinds=KINDS)
