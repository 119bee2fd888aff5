"""Kinds that plugins give: which join the table, and what is said of those that cannot."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from glasnost.cli.explain import explain
from glasnost.cli.route import route
from glasnost.core.address import Address, Landing, Route
from glasnost.core.routes import Exit, Target, Vantage, plan
from glasnost.core.routes.usable import why_unusable
from glasnost.settings import Settings
from glasnost.stages import KINDS, kinds, ours, traits
from tests.stages.plugins import install, installed

HEAD = """
from glasnost.core.routes.traits import Traits
from glasnost.stages.base import Kind

async def cross(step, sock):
    return sock

def check(stage, settings=None):
    return None if stage.args == ("7",) else "it wants\\n the number 7"

def fails(stage, settings=None):
    raise KeyError("wings")

"""
START = "public/ip4:192.0.2.7:9618"


def why(stage: str) -> str | None:
    """Why a route that ends with this stage cannot be used."""
    return why_unusable(Route.parse(f"{START}/{stage}").stages, traits())


def test_a_plugins_kind_is_planned_as_our_own_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = f'{HEAD}PIGEON = Kind(Traits("forward", check=check), cross, "let fly")'
    install(tmp_path, "carrier-pigeon", source, {"pigeon": "carrier_pigeon:PIGEON"})
    with installed(monkeypatch, tmp_path):
        assert {*kinds()} == {*ours(), "pigeon"}
        assert kinds()["pigeon"].deed == "let fly"
        assert why("pigeon:7") is None
        assert why("pigeon:8") == "stage 2 (pigeon:8): it wants the number 7"
    assert {*kinds()} == {*ours()}


def test_it_may_ask_our_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there are any; what is wrong with the stage itself comes first."""
    source = (
        f"{HEAD}PIGEON = Kind(Traits('forward', check=check), cross,"
        " check=lambda stage, settings: f'no pigeon in [{type(settings).__name__}]')"
    )
    install(tmp_path, "carrier-pigeon", source, {"pigeon": "carrier_pigeon:PIGEON"})
    with installed(monkeypatch, tmp_path):
        assert why("pigeon:7") is None
        for stage, says in {"7": "no pigeon in [Settings]", "8": "it wants the number 7"}.items():
            stages = Route.parse(f"{START}/pigeon:{stage}").stages
            assert why_unusable(stages, traits(Settings())) == (f"stage 2 (pigeon:{stage}): {says}")


UNUSABLE = [
    # name, what stands behind the head of the module, what is said of its kind
    ("is not there", "", "cannot be loaded: AttributeError: module 'carrier_pigeon' has no "),
    ("cannot be read", "PIGEON = (", "cannot be loaded: SyntaxError: "),
    ("ends the program", "raise SystemExit(3)", "cannot be loaded: SystemExit: 3"),
    ("is no kind", "PIGEON = cross", "carrier_pigeon:PIGEON: it is no Kind"),
    ("has no traits", "PIGEON = Kind(KeyError, cross)", "cannot be loaded: AttributeError"),
    ("has a role of its own", 'PIGEON = Kind(Traits("bird"), cross)', "the role is origin, for"),
    (
        "opens what no exit comes out with",
        'PIGEON = Kind(Traits("origin", protocol="air"), cross)',
        "an origin, and nothing else, opens ip4, ip6, unix or",
    ),
    (
        "contradicts itself",
        'PIGEON = Kind(Traits("origin"), cross)',
        "cannot be loaded: AssertionError: origins have a protocol",
    ),
    (
        "has ways of its own",
        'PIGEON = Kind(Traits("reversing", ways=frozenset({"air"})), cross)',
        "a reversing kind, and no other, has ways: dial-back, meet, relay",
    ),
    (
        "lists its options",
        'PIGEON = Kind(Traits("forward", options=["Seed"]), cross)',
        "options are a frozenset of keys",
    ),
    ("crosses nothing", 'PIGEON = Kind(Traits("forward"), None)', "cross is a function"),
    (
        "checks by a word",
        'PIGEON = Kind(Traits("forward"), cross, check="no")',
        "a check is a function",
    ),
    ("has a check that fails", 'PIGEON = Kind(Traits("forward", check=fails), cross)', "wings"),
    (
        "has a check that answers with nonsense",
        'PIGEON = Kind(Traits("forward", check=lambda stage: 7), cross)',
        "its check answers with a value of type int",
    ),
]


@pytest.mark.parametrize(
    ("source", "says"), [c[1:] for c in UNUSABLE], ids=[c[0] for c in UNUSABLE]
)
def test_one_that_cannot_be_used_costs_its_own_kind_and_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, says: str
) -> None:
    install(tmp_path, "carrier-pigeon", HEAD + source, {"pigeon": "carrier_pigeon:PIGEON"})
    with installed(monkeypatch, tmp_path):
        told = why("pigeon:7")
        assert told is not None and told.startswith("stage 2 (pigeon:7): plugin carrier-pigeon: ")
        assert says in told and "\n" not in told
        assert why("tls:gate.example.org") is None


def test_it_is_said_once_in_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    install(tmp_path, "carrier-pigeon", "PIGEON = 7", {"pigeon": "carrier_pigeon:PIGEON"})
    with installed(monkeypatch, tmp_path), caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert why("pigeon:7")
    (record,) = caplog.records
    assert record.getMessage() == "plugin carrier-pigeon: carrier_pigeon:PIGEON: it is no Kind"


def test_no_plugin_takes_a_name_of_ours_or_one_that_is_no_kind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """``ssh`` and ``condor.sock`` are ours whether or not this program crosses them."""
    source = f'{HEAD}PIGEON = Kind(Traits("forward"), cross)'
    names = ["ip4", "condor.sock", "Tauben/Post"]
    install(
        tmp_path,
        "carrier-pigeon",
        source,
        dict.fromkeys(names, "carrier_pigeon:PIGEON"),
    )
    with installed(monkeypatch, tmp_path), caplog.at_level(logging.WARNING):
        assert {*kinds()} == {*ours()}
        assert kinds()["ip4"] is KINDS["ip4"]
    said = [record.getMessage() for record in caplog.records]
    assert said[:2] == [
        f'plugin carrier-pigeon: "{name}" is a kind of our own, which no plugin replaces'
        for name in names[:2]
    ]
    assert said[2].startswith('plugin carrier-pigeon: no kind can be called "Tauben/Post", which ')


def test_two_that_give_one_kind_give_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = f'{HEAD}PIGEON = Kind(Traits("forward"), cross)'
    for package in ("carrier-pigeon", "homing-pigeon"):
        (tmp_path / package).mkdir()
        module = package.replace("-", "_")
        install(tmp_path / package, package, source, {"pigeon": f"{module}:PIGEON"})
    with installed(monkeypatch, tmp_path / "carrier-pigeon", tmp_path / "homing-pigeon"):
        assert why("pigeon") == (
            "stage 2 (pigeon): plugin carrier-pigeon and homing-pigeon: "
            'only one may give the kind "pigeon"'
        )


def test_route_parse_says_what_is_wrong_with_a_plugin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, "carrier-pigeon", "import wings", {"pigeon": "carrier_pigeon:PIGEON"})
    with installed(monkeypatch, tmp_path):
        done = CliRunner().invoke(route, ["parse", "--json", f"{START}/pigeon:7"])
    (parsed,) = json.loads(done.stdout)["routes"]
    assert not parsed["usable"]
    assert parsed["reason"] == (
        "stage 2 (pigeon:7): plugin carrier-pigeon: cannot be loaded: "
        "ModuleNotFoundError: No module named 'wings'"
    )
    assert [one["crossed_here"] for one in parsed["stages"]] == [True, False]


def test_an_origin_of_a_plugin_is_planned_by_what_it_opens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = f'{HEAD}PIGEON = Kind(Traits("origin", protocol="ip6", check=check), cross)'
    install(tmp_path, "carrier-pigeon", source, {"pigeon": "carrier_pigeon:PIGEON"})
    address = Address.parse("lab/pigeon:7/service:web,public/pigeon:7/service:web,lab/pigeon:8")
    here = Vantage((Exit(Landing("ip4", "lab")), Exit(Landing("ip6", "lab"))))
    with installed(monkeypatch, tmp_path):
        found = plan(here, Target(address), kinds=traits())
        assert [(one.route_number, one.exit_number) for one in found.candidates] == [(1, 2)]
        assert "stage 1 (pigeon:8): it wants the number 7" in "\n".join(map(str, found.rejected))


def test_explain_says_what_is_wrong_with_a_plugin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, "carrier-pigeon", "import wings", {"pigeon": "carrier_pigeon:PIGEON"})
    vantage = tmp_path / "here.toml"
    vantage.write_text('exits = [{ lands = "ip4@public" }]')
    words = ["--vantage", str(vantage), "--address", f"{START}/pigeon:7,{START}", "--json"]
    with installed(monkeypatch, tmp_path):
        done = CliRunner().invoke(explain, words)
    told = json.loads(done.stdout)
    assert [one["route"] for one in told["candidates"]] == [START]
    assert "plugin carrier-pigeon: cannot be loaded: " in json.dumps(told["rejected"])


def test_a_package_whose_metadata_is_damaged_costs_no_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    install(tmp_path, "carrier-pigeon", "PIGEON = 7", {"pigeon": "carrier_pigeon:PIGEON"})
    told = tmp_path / "carrier_pigeon-1.0.dist-info"
    (told / "METADATA").unlink()
    with installed(monkeypatch, tmp_path):
        assert "carrier_pigeon:PIGEON: it is no Kind" in (why("pigeon:7") or "")
    (told / "entry_points.txt").write_bytes(b"[glasnost.stages]\npigeon = \xff\n")
    with installed(monkeypatch, tmp_path), caplog.at_level(logging.WARNING):
        assert {*kinds()} == {*ours()}
    assert caplog.records[-1].getMessage().startswith("plugins cannot be listed: UnicodeDecode")


def test_nothing_is_looked_for_before_it_is_needed() -> None:
    """A program that imports us, or our stages, need not wait for what others have installed."""
    source = (
        "import glasnost.node\n"
        "from glasnost import stages\n"
        "assert not stages.kinds.cache_info().currsize\n"
        "stages.traits()\n"
        "assert stages.kinds.cache_info().currsize == 1\n"
    )
    subprocess.run([sys.executable, "-c", source], check=True, timeout=60)
