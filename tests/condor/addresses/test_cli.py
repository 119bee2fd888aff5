"""``glasnost condor sinful``: explained, converted both ways, and what is left out is said."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Shell

STARTD = "<10.0.0.9:5?CCBID=192.0.2.1:9618%3fsock%3dcollector#7&PrivNet=lan&alias=n9&noUDP&sock=x>"
ROUTES = (
    "lan/ip4:10.0.0.9:5/condor.sock:x,"
    "public/ip4:192.0.2.1:9618/condor.sock:collector/condor.ccb:7/condor.sock:x"
)


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def test_an_address_is_explained_and_converted(shell: Shell) -> None:
    done = shell.run("condor", "sinful", STARTD)
    assert (done.status, done.err) == (0, "")
    lines = [line.split() for line in done.out.splitlines()]
    assert lines[0] == ["field", "value", "meaning"]
    assert lines[1][:2] == ["host", "10.0.0.9"]
    assert ["glasnost", ROUTES] in lines
    assert "  without alias: an address has no host name for TLS checks: n9" in done.out
    assert "ask the broker <192.0.2.1:9618> at its shared port's collector for 7" in done.out
    assert 'ccbid="7"; ccbspid="collector"; noUDP=true; brokerIndex=0; ]' in done.out


def test_a_program_gets_json(shell: Shell) -> None:
    answer = json.loads(shell.run("condor", "sinful", "--json", STARTD).out)
    assert answer["original"] == STARTD
    assert answer["glasnost"] == ROUTES
    assert [one["field"] for one in answer["missing_in_glasnost"]] == ["alias"]
    assert [one["field"] for one in answer["missing_in_v1"]] == ["PrivNet"]
    assert {"PrivNet": "lan", "alias": "n9"}.items() <= {
        line["field"]: line["value"] for line in answer["fields"]
    }.items()


def test_v1_is_read_and_what_htcondor_drops_is_said(shell: Shell) -> None:
    text = '{[ p="primary"; a="h"; port=1; n="Internet"; colour="red"; ]}'
    done = shell.run("condor", "sinful", text)
    assert "original  <h:1>\n  without route 1: the attribute 'colour' is unknown\n" in done.out


def test_a_text_that_cannot_be_printed_says_so(shell: Shell) -> None:
    done = shell.run("condor", "sinful", '{[ p="primary"; a="h"; port=-1; n="Internet"; ]}')
    assert "original  <h:-1>\n  without host and port: HTCondor reads them in v1" in done.out


@pytest.mark.parametrize("network", ["public/", ""])
def test_an_address_of_ours_becomes_one_of_htcondors(shell: Shell, network: str) -> None:
    text = f"{network}ip4:192.0.2.1:9618/condor.sock:a,host.x/unix:%2Frun%2Fx"
    done = shell.run("condor", "sinful", text)
    assert done.status == 0
    assert "original  <192.0.2.1:9618?addrs=192.0.2.1-9618&noUDP&sock=a>\n" in done.out
    assert "  without route 2: HTCondor's addresses do not begin with unix:" in done.out


def test_what_no_address_of_htcondors_can_say_is_no_error(shell: Shell) -> None:
    done = shell.run("condor", "sinful", "public/ip4:192.0.2.1:1/service:a")
    assert done.status == 0
    assert done.out.startswith("original  -\n  without route 1: ")


@pytest.mark.parametrize(
    "text, says",
    [
        ("<h:1", "column 5: expected"),
        ('{[p="IPv4"; a="192.0.2.1"; port=9618; n="Internet"; ]}', "column 2: expected"),
        ("public/ip4:192.0.2.1", "column 21: expected a port"),
    ],
)
def test_a_text_that_is_none_is_refused_in_a_sentence(shell: Shell, text: str, says: str) -> None:
    shell.run("condor", "sinful", text).failed(1, says)


def test_nothing_is_sent_to_the_terminal_unescaped(shell: Shell) -> None:
    done = shell.run("condor", "sinful", "<h:1?alias=%1b[2J>")
    assert "\\x1b[2J" in done.out
