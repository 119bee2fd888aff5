"""Every vector that HTCondor's own code made: read and written as it does."""

import json
from pathlib import Path
from typing import Any

import pytest

from glasnost.condor import Sinful, parse
from glasnost.condor.addresses.dial import Choice, choose, points_to
from glasnost.condor.addresses.endpoint import IpPort
from glasnost.condor.addresses.escaping import as_htcondor_escapes, escape
from glasnost.condor.addresses.folding import unfold
from glasnost.condor.addresses.sinful_v1 import write_v1
from glasnost.errors import SinfulError

PATH = Path(__file__).parents[2] / "vectors/condor/sinful.json"
VECTORS = json.loads(PATH.read_text("utf-8"))
PARSED = [case for case in VECTORS["parse"] if case.get("valid")]
REFUSED = [case for case in VECTORS["parse"] if not case.get("valid")]

Case = dict[str, Any]


def check(sinful: Sinful, case: Case) -> None:
    assert (sinful.host or None, sinful.port) == (case["host"], case["port"])
    assert (-1 if sinful.port_number is None else sinful.port_number) == case["portnum"]
    assert len(sinful.params) == case["nparams"]
    for key in ("sock", "PrivAddr", "PrivNet", "alias"):
        assert sinful.param(key) == case[key], key
    assert sinful.param("CCBID") == case["ccbid"]
    assert sinful.param("addrs") == case["addrs_param"]
    assert sinful.no_udp == case["noUDP"]
    assert [str(addr) for addr in sinful.addrs] == case["addrs"]
    assert sinful.as_htcondor_prints() == case["sinful"]
    assert write_v1(unfold(sinful)) == case["v1"]


def test_the_vectors_are_all_there() -> None:
    assert (len(PARSED), len(REFUSED)) == (120, 53)


@pytest.mark.parametrize("case", PARSED, ids=lambda case: case["input"])
def test_what_htcondor_reads_is_read_like_that(case: Case) -> None:
    check(parse(case["input"]), case)


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case["input"])
def test_what_htcondor_refuses_or_dies_of_is_refused(case: Case) -> None:
    with pytest.raises(SinfulError) as caught:
        parse(case["input"])
    assert 1 <= caught.value.column <= len(case["input"]) + 1


@pytest.mark.parametrize("case", VECTORS["build"], ids=lambda case: " ".join(case["setters"]))
def test_what_is_put_together_prints_alike(case: Case) -> None:
    keys = {"ccb": "CCBID", "privaddr": "PrivAddr", "privnet": "PrivNet", "noudp": "noUDP"}
    host, port, params, addrs = "", None, {}, []
    for setter in case["setters"]:
        key, _, value = setter.partition("=")
        if key == "host":
            host = value
        elif key == "port":
            port = value
        elif key == "addr":
            addrs.append(IpPort.parse(value))
        else:
            params[keys.get(key, key)] = "" if key == "noudp" else value
    built = Sinful.of(host, port, params, [addr for addr in addrs if addr])
    if case["sinful"] is None:  # nothing was set, and HTCondor had not printed it yet
        assert built == Sinful()
    else:
        check(built, case)


@pytest.mark.parametrize("case", VECTORS["ccb_safe"], ids=lambda case: case["input"])
def test_an_item_of_addrs_is_read_and_written(case: Case) -> None:
    addr = IpPort.parse_ccb_safe(case["input"])
    assert (addr is not None) == case["ok"]
    assert (str(addr) if addr else "") == case["ipport"]
    assert (addr.ccb_safe if addr else "") == case["ccbsafe"]


@pytest.mark.parametrize("case", VECTORS["ip_and_port"], ids=lambda case: case["input"])
def test_an_address_is_spelt_and_rated(case: Case) -> None:
    addr = IpPort.parse(case["input"])
    assert addr is not None
    assert (str(addr), addr.ccb_safe, addr.sinful) == (
        case["ipport"],
        case["ccbsafe"],
        case["sinful"],
    )
    assert addr.desirability == case["desirability"]


@pytest.mark.parametrize("case", VECTORS["choose_addr"], ids=lambda case: case["input"])
def test_the_address_to_dial_is_chosen(case: Case) -> None:
    settings = {key: value != "false" for key, value in case["config"].items()}
    choice = Choice(
        ip4=settings.get("ENABLE_IPV4", True),
        ip6=settings.get("ENABLE_IPV6", True),
        prefer_ip4=settings.get("PREFER_OUTBOUND_IPV4", True),
        in_order=not settings.get("IGNORE_TARGET_PROTOCOL_PREFERENCE", True),
    )
    chosen = choose(parse(case["input"]), choice)
    assert ("" if chosen is None else str(chosen)) == case["out"]


@pytest.mark.parametrize(
    "case", VECTORS["addressPointsToMe"], ids=lambda case: f"{case['self']} {case['other']}"
)
def test_an_address_points_to_its_owner(case: Case) -> None:
    assert points_to(parse(case["self"]), parse(case["other"])) == case["result"]


def test_every_byte_is_escaped_alike() -> None:
    for byte, escaped in VECTORS["escape_of_each_byte"].items():
        text = bytes.fromhex(byte).decode("utf-8", "surrogateescape")
        assert as_htcondor_escapes(escape(text)) == escaped
