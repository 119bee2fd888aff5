"""A plan reads like an explanation, and travels as builtin types."""

import json

from glasnost.core.address import Landing, Stage
from glasnost.core.routes import Exit, Traits, Vantage, plan
from tests.core.routes.worlds import KINDS, target, vantage

ADDRESS = (
    "public/ip4:192.0.2.1:9618/ccb:node7/service:db,"
    "lab/ip4:10.0.0.7:9618/service:db,"
    "public/ip6:[2001:db8::7]:9618/service:db"
)
PLAN = plan(
    vantage("ip4@public ip4@lab:3", "public/ip4:192.0.2.9:9618"), target(ADDRESS), kinds=KINDS
)

EXPLAINED = """\
tried in this order:
  1. lab/ip4:10.0.0.7:9618/service:db
       tried first
       leaves by exit 2: ip4@lab at cost 3
  2. public/ip4:192.0.2.1:9618/ccb:node7/service:db (stage 2 dials back)
       after path 1 by fewest reversals: 1 reversal, there no reversals
       leaves by exit 1: ip4@public
       stage 2: the target dials back to ip4@public, if it can: its reach is unknown
  3. public/ip4:192.0.2.1:9618/ccb:node7/service:db (stage 2 relays)
       after path 2 by no relay: 1 relay, there no relays
       leaves by exit 1: ip4@public
       stage 2: the broker relays
not used:
  route 3 public/ip6:[2001:db8::7]:9618/service:db: \
no exit comes out on ip6@public: this host has no IPv6 there
       hint: give this host an address and a default route for IPv6 (and enable_ipv6 not false), \
name a proxy in [[exits]] that lands on ip6@public, or have the target registered with a broker \
that is met on ip4@public"""


def test_a_plan_prints_itself() -> None:
    assert str(PLAN) == EXPLAINED


def test_who_copies_is_said() -> None:
    """In the route and in the exit; where nobody is named, the connection is the kernel's."""
    kinds = KINDS | {"ssh": Traits("forward", onward=frozenset({"ip4"})), "tls": Traits("forward")}
    gate = Exit(
        Landing.parse("ip4@public"), tuple(map(Stage.parse, ("ip4:10.0.0.1:22", "ssh:gate")))
    )
    answer = plan(
        Vantage((gate,)), target("public/ip4:192.0.2.1:443/tls:db.example/service:db"), kinds=kinds
    )
    assert answer.why(1)[-2:] == (
        "ssh:gate: OpenSSH's client copies what passes",
        "tls:db.example: the process that connects copies what passes",
    )
    assert "copies" not in "".join(PLAN.why(1))


def test_a_plan_without_paths_says_so() -> None:
    nothing = plan(vantage(), target("lab/ip4:10.0.0.7:1"), kinds=KINDS)
    assert str(nothing).splitlines()[0] == "no path leads there"


def test_a_plan_for_machines() -> None:
    data = json.loads(json.dumps(PLAN.as_dict()))
    assert data["candidates"][1] == {
        "route": "public/ip4:192.0.2.1:9618/ccb:node7/service:db",
        "route_number": 1,
        "exit": {"lands": "ip4@public"},
        "exit_number": 1,
        "crossings": [{"stage": 2, "way": "dial-back", "returns": ["public/ip4:192.0.2.9:9618"]}],
        "unknown_reach": True,
        "decided_by": "fewest reversals",
        "why": list(PLAN.why(2)),
    }
    assert data["candidates"][0]["decided_by"] is None
    assert data["rejected"][0] == {
        "route": "public/ip6:[2001:db8::7]:9618/service:db",
        "route_number": 3,
        "part": None,
        "reason": "no exit comes out on ip6@public: this host has no IPv6 there",
        "hint": PLAN.rejected[0].hint,
    }


def test_a_part_of_a_route_is_named_in_what_machines_read() -> None:
    answer = plan(
        vantage("ip4@public"), target("public/ip4:192.0.2.1:1/hub:n", "none"), kinds=KINDS
    )
    assert [one["part"] for one in answer.as_dict()["rejected"]] == ["dial-back at stage 2"]
    assert answer.why(1)[2] == "stage 2: both sides connect to each other at the same moment"
    assert str(answer.candidates[0]) == "public/ip4:192.0.2.1:1/hub:n (stage 2 meets)"


def test_a_plan_that_rejects_nothing_is_silent_about_it() -> None:
    answer = plan(vantage("ip4@public"), target("public/ip4:192.0.2.1:1"), kinds=KINDS)
    assert str(answer).splitlines() == [
        "tried in this order:",
        "  1. public/ip4:192.0.2.1:1",
        "       tried first",
        "       leaves by exit 1: ip4@public",
    ]
