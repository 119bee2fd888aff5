"""The graph of an address as a picture: lines for a terminal, and DOT for Graphviz.

Every box is a stage. Edges over one stage to one node are one box, wherever they begin; the
numbers beside a line between boxes are those of the routes that take it, in the owner's order.
"""

from __future__ import annotations

from collections import Counter, defaultdict

from glasnost.core.address.address import Address
from glasnost.core.address.graph import Edge

#: From a box (or a network, where routes begin) to the next (or to nothing, where routes end).
Arc = tuple["Edge | str", "Edge | None"]


def draw(address: Address) -> str:
    """Lines for a terminal. What several lines lead to is drawn once, and named by a letter.

    >>> print(draw(Address.parse("lab/x:1/ccb:n/service:a,lab/x:2/ccb:n/service:a")))
    lab
    ├─ x:1 ─ (a) ccb:n ─ service:a  [1]
    └─ x:2 ─ to (a)  [2]
    """
    return _Sketch(_arcs(address)).text()


def dot(address: Address) -> str:
    """A digraph in DOT: an ellipse for each network, a box for each stage, one end."""
    arcs = _arcs(address)
    names: dict[Edge | str, str] = {}
    lines = ["digraph address {", "  rankdir=LR", '  node [shape=box fontname="monospace"]']
    for before, edge in arcs:
        for one in (before, edge):
            if one is None or one in names:
                continue
            names[one] = f"n{len(names)}"
            shape = " shape=ellipse" if isinstance(one, str) else ""
            # Addresses have no quotes and no backslashes: nothing needs escaping.
            lines.append(f'  {names[one]} [label="{_label(one)}"{shape}]')
    lines.append('  end [shape=doublecircle label=""]')
    for (before, edge), ranks in arcs.items():
        to = "end" if edge is None else names[edge]
        lines.append(f'  {names[before]} -> {to} [label="{_listed(ranks)}"]')
    return "\n".join([*lines, "}"])


def _arcs(address: Address) -> dict[Arc, list[int]]:
    """The numbers of the routes (from 1) that take each arc."""
    graph = address.graph()
    starts = dict(graph.starts)
    arcs: dict[Arc, list[int]] = defaultdict(list)
    for rank, (network, number) in enumerate(graph.ranks, 1):
        before: Edge | str = network
        for edge in graph.walk(starts[network], number):
            arcs[before, edge].append(rank)
            before = edge
        arcs[before, None].append(rank)
    return arcs


def _label(box: Edge | str) -> str:
    return box if isinstance(box, str) else box.stage.text


def _listed(ranks: list[int]) -> str:
    return " ".join(map(str, ranks))


class _Sketch:
    """The lines of one drawing, as they come."""

    def __init__(self, arcs: dict[Arc, list[int]]) -> None:
        self._arcs = arcs
        self._entrances = Counter(edge for _, edge in arcs)
        self._following: dict[Edge | str, list[Edge]] = defaultdict(list)
        for before, edge in arcs:
            if edge is not None:
                self._following[before].append(edge)
        self._letters: dict[Edge, str] = {}
        self._lines: list[str] = []

    def text(self) -> str:
        for network in [box for box in self._following if isinstance(box, str)]:
            self._lines.append(network)
            self._branches(network, "")
        return "\n".join(self._lines)

    def _branches(self, box: Edge | str, indent: str) -> None:
        *others, last = self._following[box]
        for edge in others:
            self._branch(box, edge, f"{indent}├─ ", f"{indent}│  ")
        self._branch(box, last, f"{indent}└─ ", f"{indent}   ")

    def _branch(self, before: Edge | str, edge: Edge, head: str, indent: str) -> None:
        """One line, up to where its boxes are followed by several; then those."""
        ranks = self._arcs[before, edge]
        words = []
        while True:
            if edge in self._letters:
                words.append(f"to ({self._letters[edge]})")
                following = []
                break
            words.append(self._named(edge))
            following = self._following.get(edge, [])
            if len(following) != 1 or (edge, None) in self._arcs:
                break
            edge = following[0]
        self._lines.append(f"{head}{' ─ '.join(words)}  [{_listed(ranks)}]")
        if following:
            self._branches(edge, indent)

    def _named(self, edge: Edge) -> str:
        text = edge.stage.text
        if self._entrances[edge] > 1:
            index = len(self._letters)
            letter = chr(ord("a") + index % 26) + (str(index // 26) if index >= 26 else "")
            self._letters[edge] = letter
            text = f"({letter}) {text}"
        if edge in self._following and (edge, None) in self._arcs:
            text += f" (end of {_listed(self._arcs[edge, None])})"
        return text
