"""Draws a lab as a tree, for people and for the reports of failed tests."""

from __future__ import annotations

from collections.abc import Mapping

from glasnost.testing.lab.model import Leg, Network
from glasnost.testing.lab.nodes import Host, Node, Site


def draw(internet: Network, hosts: Mapping[str, Host], sites: Mapping[str, Site]) -> str:
    """One line per host and site, hosts below the site they are in."""
    rows = [("internet", ""), *_rows(internet, {**hosts, **sites}, "")]
    width = max(len(left) for left, _ in rows)
    return "\n".join(f"{left:<{width}}  {right}".rstrip() for left, right in rows)


def _rows(network: Network, nodes: Mapping[str, Node], indent: str) -> list[tuple[str, str]]:
    rows = []
    for leg in network.legs:
        last = leg is network.legs[-1]
        node = nodes[leg.owner]
        rows.append((f"{indent}{'└─ ' if last else '├─ '}{leg.owner}", _facts(leg, node)))
        if isinstance(node, Site):
            rows += _rows(node.network, nodes, indent + ("   " if last else "│  "))
    return rows


def _facts(leg: Leg, node: Node) -> str:
    facts = leg.addresses()
    if isinstance(node, Site):
        inside = node.network
        prefixes = [str(p) for p in (inside.inside4, inside.inside6) if p is not None]
        facts += [f"inside {' '.join(prefixes)}", f"nat={inside.nat}", f"inbound={inside.inbound}"]
    if len(node.legs) > 1:
        others = [other.network.name for other in node.legs if other is not leg]
        facts.append(f"also on {', '.join(others)}")
    if leg.delay:
        facts.append(f"delay {leg.delay * 1000:g} ms")
    if leg.loss:
        facts.append(f"loss {leg.loss * 100:g} %")
    facts += [f"[{rule}]" for rule in node.rules]
    if not leg.plugged:
        facts.append("UNPLUGGED")
    return "  ".join(facts)
