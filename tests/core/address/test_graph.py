"""The graph of an address: exact in both directions, minimal, bounded."""

from itertools import groupby

import pytest
from hypothesis import given

from glasnost.core.address import Address, Route, Stage
from glasnost.core.address.graph import Graph
from glasnost.core.address.limits import MAX_GRAPH_NODES, MAX_ROUTES, MAX_STAGES
from tests.core.address.examples import EXAMPLES
from tests.core.address.strategies import ADDRESSES, ALIKE

SHARING = (
    "public/ip4:192.0.2.1:1/service:broker/ccb:n/service:a,"
    "lab/ip4:10.0.0.7:1/service:a,"
    "public/ip6:[2001:db8::1]:1/service:broker/ccb:n/service:a"
)


@given(ADDRESSES | ALIKE)
def test_a_graph_expands_to_the_routes_it_was_made_from(address: Address) -> None:
    assert address.graph().routes() == address.routes


@pytest.mark.parametrize("text", EXAMPLES)
def test_every_example_survives_as_a_graph(text: str) -> None:
    assert Address(Address.parse(text).graph().routes()) == Address.parse(text)


@given(ALIKE)
def test_all_paths_of_a_graph_are_routes(address: Address) -> None:
    graph = address.graph()
    everything = {
        (network, tuple(edge.stage for edge in graph.walk(start, number)))
        for network, start in graph.starts
        for number in range(graph.nodes[start].paths)
    }
    assert everything == {(route.network, route.stages) for route in address}
    assert sum(graph.nodes[start].paths for _, start in graph.starts) == len(everything)


def continuations(routes: list[Route]) -> set[frozenset[tuple[Stage, ...]]]:
    """The different sets of ways to go on, from the beginning or from behind some stages."""
    paths = [route.stages for route in routes]
    begun = {path[:size] for path in paths for size in range(len(path) + 1)}
    return {
        frozenset(path[len(one) :] for path in paths if path[: len(one)] == one) for one in begun
    }


@given(ALIKE)
def test_a_graph_has_one_node_for_each_set_of_continuations(address: Address) -> None:
    routes = sorted(address, key=lambda route: route.network)
    networks = [list(group) for _, group in groupby(routes, lambda route: route.network)]
    assert len(address.graph().nodes) == sum(len(continuations(group)) for group in networks)


def test_routes_share_beginnings_and_ends_but_not_across_networks() -> None:
    graph = Address.parse(SHARING).graph()
    assert [network for network, _ in graph.starts] == ["public", "lab"]
    # public: the start, behind ip4 and ip6, behind the broker, behind ccb, the end; lab: three.
    assert len(graph.nodes) == 5 + 3
    assert graph.ranks == (("public", 0), ("lab", 0), ("public", 1))


def test_a_route_that_is_there_twice_is_one_path_with_two_ranks() -> None:
    graph = Address.parse("lab/x,lab/y,lab/x").graph()
    assert graph.ranks == (("lab", 0), ("lab", 1), ("lab", 0))
    assert graph.nodes[-1].paths == 2


def test_a_path_that_does_not_exist_is_refused() -> None:
    graph = Address.parse("lab/x").graph()
    with pytest.raises(IndexError, match="1 paths"):
        list(graph.walk(dict(graph.starts)["lab"], 1))


def size(graph: Graph) -> int:
    return len(graph.nodes) + sum(len(node.edges) for node in graph.nodes)


def test_the_largest_graph_keeps_its_limit() -> None:
    # Nothing in common: every stage is another, and every network.
    routes = tuple(
        Route(f"n{r}", tuple(Stage("x", (f"{r}-{s}",)) for s in range(MAX_STAGES)))
        for r in range(MAX_ROUTES)
    )
    graph = Address(routes).graph()
    assert graph.routes() == routes
    assert len(graph.nodes) == MAX_GRAPH_NODES


def test_a_graph_grows_with_its_routes_and_not_with_their_combinations() -> None:
    # Five choices in a row: 32 routes of 5 stages, in 6 nodes with 10 edges.
    choices = [(Stage("x", (str(at),)), Stage("y", (str(at),))) for at in range(5)]
    routes = tuple(
        Route("lab", tuple(pair[n >> at & 1] for at, pair in enumerate(choices)))
        for n in range(MAX_ROUTES)
    )
    assert size(Address(routes).graph()) == 6 + 10
