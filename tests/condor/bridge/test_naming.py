"""Labels: stable, never the same for two daemons, and readable where names are."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glasnost.condor.bridge.naming import label
from glasnost.trust.identity import is_label

CASES = [
    # role      name                              domain         label
    ("schedd", "submit1.example.org", "example.org", "schedd-submit1"),
    ("startd", "host7.cs.example.org", "example.org", "startd-host7_cs"),
    ("startd", "host7.example.net", "example.org", "startd-host7_example_net"),
    ("schedd", "two@submit1.example.org", "example.org", "schedd-two--submit1"),
    ("schedd", "submit1.example.org", "", "schedd-submit1_example_org"),
    ("schedd", "vm", "", "schedd-vm"),
    ("master", "a-b", "", "master-a-b"),
    # not to be mistaken for who is in the domain
    ("schedd", "submit1", "example.org", "schedd-submit1-"),
    ("schedd", "Submit1.example.org", "example.org", "schedd-submit1_example_org-"),
    ("schedd", "a_b", "", "schedd-a_b-"),
    ("schedd", "a--b", "", "schedd-a-b-"),
    ("schedd", "vm-0123456789", "", "schedd-vm-0123456789-"),
    ("collector", "My Pool - 127.0.0.1@cm.example.org", "", "collector-cm_example_org-"),
    ("schedd", "", "", "schedd-"),
    ("schedd", "é\u202e\udcff", "", "schedd-"),
    ("schedd", "x" * 300, "", "schedd-xxxx"),
]


@pytest.mark.parametrize(("role", "name", "domain", "expected"), CASES)
def test_a_label_says_who_it_is(role: str, name: str, domain: str, expected: str) -> None:
    made = label(role, name, domain)
    assert is_label(made)
    assert made.startswith(expected) if expected.endswith(("-", "xxxx")) else made == expected


NAMES = st.one_of(
    st.text(max_size=80),
    st.from_regex(r"[a-c.@_-]{0,8}", fullmatch=True),
    st.from_regex(r"[a-b](-[0-9a-f]{10})?(\.d)?", fullmatch=True),
)


@given(
    st.lists(st.tuples(st.sampled_from(["a", "b"]), NAMES), max_size=8), st.sampled_from(["", "d"])
)
def test_two_daemons_never_have_one_label(named: list[tuple[str, str]], domain: str) -> None:
    for one, other in itertools.combinations(named, 2):
        same = label(*one, domain) == label(*other, domain)
        assert same == (one == other)
    assert all(is_label(label(*one, domain)) for one in named)
