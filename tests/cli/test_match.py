"""``glasnost match``, and the labels that it chooses by, as a user types them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Shell

DOMAIN = "home.glasnost.internal"
RECORDS = [
    {
        "name": f"schedd.n1.{DOMAIN}",
        "address": "host.1/unix:%2Frun%2Fp/service:schedd,public/ip4:192.0.2.1:9618/service:schedd",
        "reach": ["ip4@public"],
        "labels": {"role": "schedd"},
        "age": 3.5,
    },
    *(
        {
            "name": f"startd.n{number}.{DOMAIN}",
            "address": f"host.{number}/unix:%2Frun%2Fp/service:startd,"
            f"public/ip6:[2001:db8::{number}]:9618/service:startd",
            "reach": ["ip6@public"],
            "labels": {"role": "startd"},
        }
        for number in (1, 2, 3)
    ),
]
SIDES = ("--selector", "role=schedd", "--selector", "role=startd")


@pytest.fixture
def away(tmp_path: Path) -> Shell:
    """A place without a pool."""
    return Shell(tmp_path, {})


@pytest.fixture
def records(tmp_path: Path) -> str:
    path = tmp_path / "records.json"
    path.write_text(json.dumps(RECORDS))
    return str(path)


def test_records_of_a_file_need_no_pool(away: Shell, records: str) -> None:
    done = away.run("match", "--records", records, *SIDES)
    assert (done.status, done.err) == (0, "")
    assert "S1     schedd.n1             reaches ip4@public; met on ip4@public" in done.out
    assert "T1     startd.n1 and 2 more  reaches ip6@public; met on ip6@public" in done.out
    assert "S1  no*/no*" in done.out.splitlines()
    assert "S to T: 3 pairs: 1 yes, 0 maybe, 2 no" in done.out
    assert "  schedd.n1 does not reach startd.n2\n" in done.out
    assert "startd.n1\n" not in done.out, "they are on one machine"
    assert "S1 does not reach T1 (2 pairs)" in done.out
    assert "    a broker for T1 that is met on ip4@public, ip6@public\n" in done.out
    assert "    an address on ip4@public for T1, that others can connect to\n" in done.out


def test_programs_get_the_matrix_as_json(away: Shell, records: str) -> None:
    found = json.loads(away.run("match", "--records", records, *SIDES, "--json").out)
    assert [one["members"] for one in found["targets"]] == [["startd.n1", "startd.n2", "startd.n3"]]
    assert found["forth"]["matrix"] == [["no"]]
    assert found["forth"]["pairs"] == {"yes": 1, "maybe": 0, "no": 2}
    assert found["back"]["unreachable"] == [["startd.n2", "schedd.n1"], ["startd.n3", "schedd.n1"]]
    (broken,) = found["forth"]["broken"]
    assert "broker" in {one["what"] for one in broken["remedies"]}


def test_without_selectors_all_are_matched_with_each_other(away: Shell, records: str) -> None:
    found = json.loads(away.run("match", "--records", records, "--json").out)
    assert "back" not in found
    assert sum(found["forth"]["pairs"].values()) == 4 * 3


def test_lists_are_as_long_as_asked_for(away: Shell, records: str) -> None:
    done = away.run("match", "--records", records, *SIDES, "--limit", "1")
    assert "  schedd.n1 does not reach startd.n2\n  ... and 1 more\n" in done.out
    assert "would be enough" not in away.run("match", "--records", records, "--limit", "0").out


def test_nothing_that_fits_is_said(away: Shell, records: str) -> None:
    done = away.run("match", "--records", records, "--selector", "role=schedd,gpu")
    assert (done.status, done.out) == (0, "")
    assert done.err == "glasnost: no record fits role=schedd,gpu\n"


PROGRAM = """
import asyncio, glasnost
async def main():
    async with glasnost.Node() as node:
        here = await node.local.where()
        for record in await node.query("role=web", glob="lab*", reachable_from=here):
            print(*record.name.split(".")[:2], sep=".")
        assert await node.query("role=web", reachable_to="broker.cm")
asyncio.run(main())
"""

WRONG = [
    # arguments, standard input, status, what the error says
    (("--selector", "=x"), "[]", 2, "'=x' is none of key=value, key!=value, key, !key"),
    (("--selector", "a", "--selector", "b", "--selector", "c"), "[]", 2, "two selectors at most"),
    ((), "{", 1, "no list of records"),
    ((), '[{"name": 3}]', 1, "no list of records"),
    ((), '[{"name": "a.b.c", "address": "x"}]', 1, "the record of a.b.c: "),
    ((), '[{"name": "a.b.c", "address": "ip4:192.0.2.1:1", "reach": ["x"]}]', 1, "record of a.b.c"),
]


@pytest.mark.parametrize("words, stdin, status, says", WRONG)
def test_what_is_wrong_is_said(
    away: Shell, words: tuple[str, ...], stdin: str, status: int, says: str
) -> None:
    done = away.run("match", "--records", "-", *words, stdin=stdin)
    assert (done.status, done.out) == (status, "")
    assert done.err.startswith("glasnost: error: ") and says in done.err


def test_a_label_that_is_none_is_refused(away: Shell) -> None:
    done = away.run("expose", "web", "--to", "1", "--label", "role")
    assert done.status == 2
    assert "'role' is not key=value" in done.err


def test_labels_that_are_exposed_are_matched_by_the_directory(host: Shell) -> None:
    words = ("--to", "9", "--label", "role=web", "--label", "size=2")
    with host.running("expose", "labelled", *words, ready="labelled.cm."):
        found = json.loads(host.run("match", "--selector", "role=web,size!=3", "--json").out)
        assert [one["members"] for one in found["sources"]] == [["labelled.cm"]]
        both = host.run("match", "--selector", "role=web", "--selector", "!role")
        assert "S1  yes*/yes*" in both.out.splitlines(), "they are on one machine"
        assert "* better for those on one machine" in both.out
        listed = json.loads(host.run("ls", "labelled.*", "--json").out)
        assert listed[0]["labels"] == {"role": "web", "size": "2"}
        only = ("ls", "--selector", "role=web", "--reachable")
        assert "labelled.cm" in host.run(*only).out and "broker" not in host.run(*only).out
        nothing = host.run("ls", "--selector", "role=web,size!=2")
        assert (nothing.out, nothing.err) == ("", "glasnost: no name that fits matches *\n")
        assert host.sh(f"'{sys.executable}' -c '{PROGRAM}'").out == "labelled.cm\n"
        again = host.run("match", "--records", "-", stdin=json.dumps(listed))
        assert again.status == 0 and "labelled.cm" in again.out
