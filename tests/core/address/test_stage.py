"""Canonical spelling of known kinds, untouched bytes of the others, options."""

import copy
import pickle

import pytest

from glasnost.core.address import Landing, Stage
from glasnost.errors import AddressError

CANONICAL = [
    # name                          read                                     printed
    ("leading zeros of a port", "ip4:192.0.2.1:09618", "ip4:192.0.2.1:9618"),
    ("needless encoding", "service:%61b", "service:ab"),
    ("lower-case hex", "unix:%2frun%2fx", "unix:%2Frun%2Fx"),
    ("long IPv6", "ip6:[2001:0DB8:0:0:0:0:0:7]:1", "ip6:[2001:db8::7]:1"),
    ("the longest run of zeros", "ip6:[1:0:0:2:0:0:0:3]:1", "ip6:[1:0:0:2::3]:1"),
    ("the first of equal runs", "ip6:[1:0:0:2:3:0:0:4]:1", "ip6:[1::2:3:0:0:4]:1"),
    ("one zero is not shortened", "ip6:[1::2:3:4:5:6:7]:1", "ip6:[1:0:2:3:4:5:6:7]:1"),
    ("all zeros", "ip6:[0:0:0:0:0:0:0:0]:1", "ip6:[::]:1"),
    ("mapped IPv4", "ip6:[::ffff:c000:201]:1", "ip6:[::ffff:192.0.2.1]:1"),
    ("IPv6 without brackets", "ip6:2001%3Adb8%3A%3A7:1", "ip6:[2001:db8::7]:1"),
    ("a zone", "ip6:[FE80::1%25eth0]:1", "ip6:[fe80::1%25eth0]:1"),
    ("an unknown key is kept", "service:a:Must=%41:x=2", "service:a:Must=A:x=2"),
    ("a reach is a set", "ccb:n:reach=ip6@b+ip4@a+ip6@b", "ccb:n:reach=ip4@a+ip6@b"),
    ("an empty reach", "ccb:n:reach=none", "ccb:n:reach=none"),
    ("a reach elsewhere is no reach", "service:n:reach=b+a", "service:n:reach=b+a"),
]


@pytest.mark.parametrize("name, read, printed", CANONICAL, ids=[case[0] for case in CANONICAL])
def test_known_kinds_have_one_spelling(name: str, read: str, printed: str) -> None:
    stage = Stage.parse(read)
    assert str(stage) == printed
    assert stage == Stage.parse(printed) == Stage(stage.kind, stage.args, stage.options)


@pytest.mark.parametrize(
    "text",
    [
        "pigeon:%41%2f:k=%7e",
        "pigeon:[2001:0DB8::7]:x=[::0]",
        "ip4:192.0.2.1:09618:more",
        "service:a%62:b",
        "ip6:[2001:0DB8::7]:1:x",
        "pigeon",
    ],
)
def test_what_we_cannot_judge_keeps_its_bytes(text: str) -> None:
    stage = Stage.parse(text)
    assert str(stage) == text
    assert stage.carried


def test_arguments_of_carried_stages_are_decoded_for_whoever_knows_them() -> None:
    stage = Stage.parse("pigeon:%41%2f:[2001:DB8::7]:k=%C3%A9")
    assert stage.args == ("A/", "2001:DB8::7")
    assert stage.option("k") == "é"
    assert stage.option("other") is None


def test_too_many_arguments_make_a_stage_unknown() -> None:
    assert Stage.parse("service:a:b").overfull
    assert not Stage.parse("service:a").overfull
    assert not Stage.parse("pigeon:a:b:c").overfull


def test_options_that_begin_with_a_capital_are_critical() -> None:
    assert Stage.parse("service:a:Must=1:may=2:Shall=3").critical == ("Must", "Shall")


def test_absent_and_empty_reach_differ() -> None:
    assert Stage.ccb("n").reach is None
    assert Stage.ccb("n", ()).reach == frozenset()
    assert Stage.ccb("n", [Landing("ip4", "lab")]).reach == frozenset([Landing("ip4", "lab")])


def test_helpers_build_what_parse_reads() -> None:
    assert Stage.ip("192.0.2.1", 80) == Stage.parse("ip4:192.0.2.1:80")
    assert Stage.ip("fe80::1%eth0", 80) == Stage.parse("ip6:[fe80::1%25eth0]:80")
    assert Stage.unix("/run/a b") == Stage.parse("unix:%2Frun%2Fa%20b")


@pytest.mark.parametrize(
    "kind, args, options, column",
    [
        ("Kind", (), (), 1),
        ("", (), (), 1),
        ("x", ("a", ""), (), 5),
        ("x", ("\ud800",), (), 3),
        ("unix", ("/\ud800",), (), 6),
        ("ip4", ("192.0.2.1",), (), 14),
        ("ip6", ("junk:]", "1"), (), 5),
        ("x", (), (("a", "1"), ("a", "2")), 7),
        ("x", (), (("a b", "1"),), 1),
        ("service", ("a",), (("k", ""),), 1),
    ],
)
def test_a_stage_built_in_code_is_checked_like_one_that_is_read(
    kind: str, args: tuple[str, ...], options: tuple[tuple[str, str], ...], column: int
) -> None:
    with pytest.raises(AddressError) as caught:
        Stage(kind, args, options)
    assert caught.value.column == column


def test_stages_are_values() -> None:
    stage = Stage.parse("pigeon:%41")
    assert stage != Stage.parse("pigeon:A")
    assert pickle.loads(pickle.dumps(stage)) == stage
    assert copy.deepcopy(stage) == stage
    assert len({stage, Stage.parse("pigeon:%41")}) == 1
