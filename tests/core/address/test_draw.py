"""The graph of an address as lines for a terminal, and as DOT."""

import re
import shutil
import subprocess

import pytest
from hypothesis import given

from glasnost.core.address import Address
from glasnost.core.address.draw import dot, draw
from tests.core.address.examples import EXAMPLES
from tests.core.address.strategies import ADDRESSES, ALIKE

DRAWN = [
    (
        "one route is one line",
        "lab/ip4:10.8.0.5:9618/service:db",
        """
lab
└─ ip4:10.8.0.5:9618 ─ service:db  [1]
""",
    ),
    (
        "two front doors of one broker",
        "public/ip4:192.0.2.1:1/ccb:n/service:a,public/ip6:[2001:db8::1]:1/ccb:n/service:a",
        """
public
├─ ip4:192.0.2.1:1 ─ (a) ccb:n ─ service:a  [1]
└─ ip6:[2001:db8::1]:1 ─ to (a)  [2]
""",
    ),
    (
        "networks apart, numbers in the owner's order",
        "public/x/y,lab/x/y,public/x/z",
        """
public
└─ x  [1 3]
   ├─ y  [1]
   └─ z  [3]
lab
└─ x ─ y  [2]
""",
    ),
    (
        "a route that ends where another goes on",
        "lab/x/y,lab/x,lab/z",
        """
lab
├─ x (end of 2)  [1 2]
│  └─ y  [1]
└─ z  [3]
""",
    ),
    (
        "the same route twice",
        "lab/x,lab/x",
        """
lab
└─ x  [1 2]
""",
    ),
]


@pytest.mark.parametrize("name, text, lines", DRAWN, ids=[case[0] for case in DRAWN])
def test_a_drawing(name: str, text: str, lines: str) -> None:
    assert draw(Address.parse(text)) == lines.strip()


@given(ADDRESSES | ALIKE)
def test_every_stage_is_drawn_and_every_route_numbered(address: Address) -> None:
    drawn = draw(address)
    for number, route in enumerate(address, 1):
        assert re.search(rf"[\[ ]{number}[\] ]", drawn)
        assert route.network in drawn.splitlines()
        assert all(str(stage) in drawn for stage in route.stages)


def test_dot_has_a_box_for_each_stage_and_labels_lines_with_routes() -> None:
    text = dot(Address.parse("lab/x:1/ccb:n,lab/x:2/ccb:n"))
    assert text.splitlines()[3:] == [
        '  n0 [label="lab" shape=ellipse]',
        '  n1 [label="x:1"]',
        '  n2 [label="ccb:n"]',
        '  n3 [label="x:2"]',
        '  end [shape=doublecircle label=""]',
        '  n0 -> n1 [label="1"]',
        '  n1 -> n2 [label="1"]',
        '  n2 -> end [label="1 2"]',
        '  n0 -> n3 [label="2"]',
        '  n3 -> n2 [label="2"]',
        "}",
    ]


@given(ADDRESSES | ALIKE)
def test_nothing_in_an_address_ends_a_label(address: Address) -> None:
    for line in dot(address).splitlines():
        assert line.count('"') in (0, 2)
        assert "\\" not in line


def test_graphviz_reads_the_dot_of_every_example() -> None:
    program = shutil.which("dot")
    if program is None:
        pytest.skip("Graphviz is not installed")
    for text in EXAMPLES:
        given = dot(Address.parse(text)).encode()
        done = subprocess.run([program, "-Tsvg"], input=given, capture_output=True, check=True)
        assert b"</svg>" in done.stdout
