"""No path takes a round trip more than it must, with 50 ms on the cable of each host."""

from __future__ import annotations

import pytest

from benchmarks import proxied
from benchmarks.roundtrips import LEAST, count
from tests.lab import servers

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("needs_lab")]


def test_every_kind_of_path_takes_the_least_possible() -> None:
    counted = count()
    assert counted == LEAST
    assert counted["sealed, direct"] == counted["TLS over TCP"]
    assert counted["plain, direct"] == counted["TCP"] + 2  # trips one way: one round trip


def test_through_others_servers_a_path_takes_the_least_that_their_protocols_allow() -> None:
    servers.need(*proxied.PROGRAMS)
    assert proxied.count() == proxied.LEAST
