"""``glasnost route``: addresses explained, converted and drawn, without any pool."""

import json
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from glasnost.cli.address_forms import FORMS, guess, read
from glasnost.cli.route import route
from glasnost.core.address import Address
from tests.cli.conftest import Shell
from tests.core.address.examples import EXAMPLES

REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "addresses.md"
TWO = "public/ip4:192.0.2.1:1/service:a,lab/ip4:10.0.0.7:1/tls:x:Must=1"
EXACT = [name for name in FORMS if name != "sinful"]


def answer(*words: str, stdin: str | bytes | None = None) -> str:
    done = CliRunner().invoke(route, words, input=stdin, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("text", EXAMPLES)
def test_every_example_is_converted_both_ways(text: str, name: str) -> None:
    there = answer("convert", text, "--to", name)
    assert answer("convert", "-", "--from", name, stdin=there) == f"{text}\n"


@pytest.mark.parametrize("name", ["text", "display", "talk", "json"])
@pytest.mark.parametrize("text", EXAMPLES)
def test_the_form_of_a_text_is_seen(text: str, name: str) -> None:
    written, _ = FORMS[name].write(Address.parse(text))
    # A single route is displayed as its text in quotes, and each form reads its own.
    assert guess(written) == name
    assert read(written, name)[0] == Address.parse(text)


def test_what_htcondor_cannot_express_is_said() -> None:
    words = ("convert", "public/ip4:192.0.2.1:9618/condor.sock:s,lab/x", "--to", "sinful")
    made = json.loads(answer(*words, "--json"))
    assert made["result"].startswith("<192.0.2.1:9618?")
    assert any("route 2" in one for one in made["missing"])
    back = json.loads(answer("convert", made["result"], "--json"))
    assert (back["from"], back["result"]) == ("sinful", "public/ip4:192.0.2.1:9618/condor.sock:s")


def test_parse_explains_each_stage_and_what_cannot_be_crossed() -> None:
    said = answer("parse", TWO)
    assert "route 1: public/ip4:192.0.2.1:1/service:a\n  begins on ip4@public" in said
    assert "asks the shared port there for a service\n  can be crossed here" in said
    assert "cannot be used here: stage 2 (tls:x:Must=1): " in said


def test_parse_tells_programs_the_same() -> None:
    one, two = json.loads(answer("parse", TWO, "--json"))["routes"]
    assert (one["usable"], one["reason"], one["landings"]) == (True, None, ["ip4@public"])
    assert (two["usable"], two["network"]) == (False, "lab")
    assert [stage["crossed_here"] for stage in two["stages"]] == [True, True]  # but for its option
    assert two["stages"][1]["options"] == {"Must": "1"}


def test_draw_tells_programs_the_graph() -> None:
    graph = json.loads(answer("draw", "lab/x/z,lab/y/z", "--json"))
    assert [len(node["edges"]) for node in graph["nodes"]] == [0, 1, 2]
    assert graph["starts"] == {"lab": 2}
    assert graph["routes"] == [{"network": "lab", "path": 0}, {"network": "lab", "path": 1}]


def test_draw_writes_dot_and_svg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert answer("draw", "--dot", TWO).startswith("digraph address {")
    (tmp_path / "dot").write_text('#!/bin/sh\necho "<svg>$1</svg>"; cat >/dev/null\n')
    (tmp_path / "dot").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert answer("draw", TWO, "--svg", str(tmp_path / "x.svg")) == ""
    assert (tmp_path / "x.svg").read_text() == "<svg>-Tsvg</svg>\n"


def test_without_graphviz_svg_is_refused_with_a_sentence(fresh: Shell, tmp_path: Path) -> None:
    done = fresh.run("route", "draw", "x", "--svg", str(tmp_path / "x.svg"), PATH="/nonexistent")
    done.failed(1, "column 2")
    done = fresh.run("route", "draw", "a/x", "--svg", str(tmp_path / "x.svg"), PATH="/nonexistent")
    done.failed(1, "Graphviz", "--dot")
    assert not (tmp_path / "x.svg").exists()


WRONG = [
    (("parse", "public/ip4:192.0.2.1"), 1, "column 21: expected a port from 1 to 65535"),
    (("parse", "public/ip4:1:2"), 1, "but there is '1:2'"),
    (("parse", ""), 1, "it ends there"),
    (("parse", "\x1b[2J"), 1, "column 1"),
    (("convert", '{"v": 7}'), 1, "at $.v: expected version 1"),
    (("convert", "--from", "msgpack", "é"), 1, "base64"),
    (("convert", "<192.0.2.1"), 1, "column"),
    (("convert", "--to", "sinful", "lab/unix:%2Fx"), 1, "HTCondor can express none"),
    (("convert", "--to", "xml", "a/b"), 2, "xml"),
    (("draw", "--dot", "--json", "a/b"), 2, "exclude each other"),
]


@pytest.mark.parametrize("words, status, says", WRONG, ids=[" ".join(case[0]) for case in WRONG])
def test_what_cannot_be_read_is_refused_with_a_sentence(
    fresh: Shell, words: tuple[str, ...], status: int, says: str
) -> None:
    done = fresh.run("route", *words)
    assert (done.status, done.out) == (status, "")
    assert done.err.startswith("glasnost: error: ")
    assert says in done.err


def test_stdin_that_is_no_text_is_refused(fresh: Shell) -> None:
    done = fresh.sh(r"printf 'a/\377' | glasnost route parse -")
    assert done.status == 1
    assert done.err.startswith("glasnost: error: column 3: expected a stage")


def test_the_transcripts_of_the_reference_are_what_happens() -> None:
    blocks = re.findall(
        r"```console\n\$ glasnost route (.*?)\n(.*?)```", REFERENCE.read_text(), re.S
    )
    assert len(blocks) >= 5
    for line, printed in blocks:
        assert answer(*shlex.split(line)) == printed
