"""An address as a graph of stages, in which routes share what they have in common.

For each network that routes begin on this is the minimal automaton of its routes: nodes from
which one can go on in the same ways are one node. Order is no property of such a graph, so the
rank stays with the route: each is kept as the number of its path. That also makes expanding
exact; a route that an address has twice is one path, and two ranks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from glasnost.core.address.route import Route
from glasnost.core.address.stage import Stage


@dataclass(frozen=True, slots=True)
class Edge:
    """A stage to cross, and the index of the node it leads to."""

    stage: Stage
    to: int


@dataclass(frozen=True, slots=True)
class Node:
    """A point between stages.

    ``ends`` is whether a route may end here, ``paths`` the number of ways to go on from here, that
    one included. Edges stand in the order in which the owner's routes first use them.
    """

    ends: bool
    edges: tuple[Edge, ...]
    paths: int


@dataclass(frozen=True, slots=True)
class Graph:
    """Nodes (what an edge leads to stands before what it comes from), the node where each network
    begins, and for each route, in the owner's order, its network and the number of its path there.

    Paths of a node are numbered from 0: first the one that ends here, then those over each edge.
    """

    nodes: tuple[Node, ...]
    starts: tuple[tuple[str, int], ...]
    ranks: tuple[tuple[str, int], ...]

    def routes(self) -> tuple[Route, ...]:
        """The routes that the graph was made from, in their order."""
        starts = dict(self.starts)
        return tuple(
            Route(network, tuple([edge.stage for edge in self.walk(starts[network], number)]))
            for network, number in self.ranks
        )

    def walk(self, node: int, number: int) -> Iterator[Edge]:
        """The edges of one path."""
        while True:
            here = self.nodes[node]
            if here.ends and number == 0:
                return
            number -= here.ends
            for edge in here.edges:
                if number < self.nodes[edge.to].paths:
                    break
                number -= self.nodes[edge.to].paths
            else:
                raise IndexError(f"node {node} has {here.paths} paths")
            yield edge
            node = edge.to


class _Trie:
    """Routes that share beginnings only: what there is before nodes are merged."""

    __slots__ = ("ends", "next")

    def __init__(self) -> None:
        self.ends = False
        self.next: dict[Stage, _Trie] = {}

    def add(self, stages: tuple[Stage, ...]) -> None:
        node = self
        for stage in stages:
            node = node.next.setdefault(stage, _Trie())
        node.ends = True


def build(routes: tuple[Route, ...]) -> Graph:
    """The graph of some routes, in time and nodes linear in their stages."""
    tries: dict[str, _Trie] = {}
    for route in routes:
        tries.setdefault(route.network, _Trie()).add(route.stages)
    nodes: list[Node] = []
    # One automaton for each network: behind the same stages lies another place on another network.
    starts = {network: _merged(trie, nodes, {}) for network, trie in tries.items()}
    ranks = tuple(
        (route.network, _number(nodes, starts[route.network], route.stages)) for route in routes
    )
    return Graph(tuple(nodes), tuple(starts.items()), ranks)


def _merged(trie: _Trie, nodes: list[Node], seen: dict[object, int]) -> int:
    """The index of the node that stands for ``trie``: an equal one that was seen, or a new one."""
    edges = tuple([Edge(stage, _merged(to, nodes, seen)) for stage, to in trie.next.items()])
    meaning = (trie.ends, frozenset(edges))
    if meaning not in seen:
        seen[meaning] = len(nodes)
        nodes.append(Node(trie.ends, edges, trie.ends + sum(nodes[one.to].paths for one in edges)))
    return seen[meaning]


def _number(nodes: list[Node], start: int, stages: tuple[Stage, ...]) -> int:
    number, here = 0, nodes[start]
    for stage in stages:
        number += here.ends
        for edge in here.edges:
            if edge.stage == stage:
                break
            number += nodes[edge.to].paths
        else:
            raise AssertionError(f"the graph has lost the stage {stage}")
        here = nodes[edge.to]
    return number
