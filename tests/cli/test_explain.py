"""``glasnost explain``: of a name, between two others, and on paper."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from glasnost.cli.explain import explain
from tests.cli.conftest import Shell

VANTAGE = """
returns = ["public/ip4:192.0.2.9:9618"]

[[exits]]
lands = "ip4@public"

[[exits]]
lands = "ip4@lab"
name = "campus"
stages = ["ip4:198.51.100.4:1080", "warp"]
"""
ADDRESS = (
    "public/ip4:42.82.111.3:9618/service:broker/ccb:node7/service:jupyter,"
    "lab/ip4:10.0.0.7:9618/service:jupyter,public/ip4:42.82.111.3:9618/service:jupyter"
)
SHOWN = """\
from there:
  exit 1: ip4@public
  exit 2: ip4@lab through ip4:198.51.100.4:1080/warp (campus)
  return 1: public/ip4:192.0.2.9:9618
tried in this order:
try  route  exit  how             path
1    3      1     direct          public/ip4:42.82.111.3:9618/service:jupyter
2    1      1     stage 3 relays  \
public/ip4:42.82.111.3:9618/service:broker/ccb:node7/service:jupyter
for these reasons:
  1. tried first
  2. after path 1 by no relay: 1 relay, there no relays
     stage 3: the broker relays
not used:
  route 1 public/ip4:42.82.111.3:9618/service:broker/ccb:node7/service:jupyter: \
by dial-back at stage 3: the target can dial back to ip6@public only and we can be reached on \
ip4@public
    hint: give this host an address on ip6@public, or advertise one that leads to its port
  route 2 lab/ip4:10.0.0.7:9618/service:jupyter: by exit 2: it cannot be crossed: \
stage 2 (warp): nobody here can cross a "warp" stage
    hint: change its `via` in [[exits]] of the settings
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GLASNOST_HOME", str(tmp_path))
    path = tmp_path / "here.toml"
    path.write_text(VANTAGE)
    return path


def on_paper(file: Path, *words: str, address: str = ADDRESS) -> Result:
    typed = ["--vantage", str(file), "--address", address, *words]
    return CliRunner().invoke(explain, typed)


def test_a_plan_is_made_on_paper(file: Path) -> None:
    done = on_paper(file, "--reach", "ip6@public")
    assert done.stdout == SHOWN


def test_programs_read_the_same(file: Path) -> None:
    told: dict[str, Any] = json.loads(
        on_paper(file, "--json", "--reach", "none", "--no-relay").stdout
    )
    assert [one["route_number"] for one in told["candidates"]] == [3]
    assert all(one["reason"] and one["hint"] for one in told["rejected"])
    assert "relaying is refused by the record" in told["rejected"][0]["reason"]
    assert told["vantage"]["exits"][1]["name"] == "campus"


def test_what_it_prints_it_reads_again(file: Path, tmp_path: Path) -> None:
    told = on_paper(file, "--json").stdout
    again = tmp_path / "told.json"
    again.write_text(told)
    assert json.loads(on_paper(again, "--json").stdout) == json.loads(told)


def test_our_own_settings_hold_on_paper_too(file: Path, tmp_path: Path) -> None:
    (tmp_path / "glasnost.toml").write_text("relay = false")
    assert "set relay = true in the settings" in on_paper(file, "--reach", "none").stdout


def test_a_place_without_exits_says_that_nothing_leads_there(tmp_path: Path, file: Path) -> None:
    file.write_text('{"exits": []}')
    shown = on_paper(file).stdout.splitlines()
    assert shown[:4] == ["from there:", "  no exit", "  no return route", "no path leads there"]


WRONG = [
    ("nothing is a vantage", "x = 1", (), "a vantage has exits and returns"),
    ("no TOML", "= 1", (), "here.toml: "),
    ("no JSON", '{"exits": ', (), "here.toml: "),
    ("a list", "[1]", (), "a vantage has exits and returns"),
    ("no text", "\udcff", (), "here.toml: "),
    ("no landing", 'exits = [{lands = "ip4"}]', (), '"@" and a network'),
    ("no reach", VANTAGE, ("--reach", "x"), '--reach: column 2: expected "@" and a network'),
]


@pytest.mark.parametrize("text, words, says", [one[1:] for one in WRONG], ids=[w[0] for w in WRONG])
def test_what_is_wrong_on_paper_is_said(
    file: Path, text: str, words: tuple[str, ...], says: str
) -> None:
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    done = on_paper(file, *words)
    assert done.exit_code
    assert says in str(done.exception) + done.output


def test_an_address_that_is_none_is_wrong_use(file: Path) -> None:
    done = on_paper(file, address="public/ip4:1")
    assert (done.exit_code, "--address: column" in done.output) == (2, True)


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "a.b --from a.b",
        "--from a.b",
        "--to a.b",
        "a.b --no-relay",
        "--from a.b --to a.b --reach none",
        "--address public/ip4:192.0.2.1:1",
        "a.b --address public/ip4:192.0.2.1:1",
    ],
)
def test_one_way_to_ask_is_chosen(typed: str) -> None:
    done = CliRunner().invoke(explain, typed.split())
    assert done.exit_code == 2
    assert "one of these is needed: NAME; --from A --to B" in done.output


def test_between_two_names_and_nodes_of_the_pool(host: Shell) -> None:
    shown = host.run("explain", "--from", "cm", "--to", "directory.cm").out
    assert shown.startswith("from ") and ", to directory.cm." in shown.splitlines()[0]
    assert "not known, as no record says it: its proxies" in shown
    told = json.loads(host.run("explain", "--from", "broker.cm", "--to", "cm", "--json").out)
    assert "/unix:" in told["candidates"][0]["route"]
    assert told["from"].startswith("broker.cm.")
    assert told["unknown"]


def test_a_node_without_a_name_is_not_known(host: Shell) -> None:
    host.run("explain", "--from", "nobody", "--to", "cm").failed(1, "nobody has published no name")
