"""HTCondor's addresses and Glasnost's: what each makes of the other, and what it cannot say."""

import pytest

from glasnost.condor import parse
from glasnost.condor.addresses.convert_v1 import from_v1, to_v1
from glasnost.condor.addresses.folding import unfold
from glasnost.condor.addresses.from_address import from_address
from glasnost.condor.addresses.sinful_v1 import write_v1
from glasnost.condor.addresses.to_address import to_address
from glasnost.core.address import Address

BOTH_WAYS = [
    # name, HTCondor's, Glasnost's
    ("one address", "<192.0.2.1:9618?addrs=192.0.2.1-9618&noUDP>", "public/ip4:192.0.2.1:9618"),
    (
        "a shared port on two protocols",
        "<192.0.2.1:1?addrs=192.0.2.1-1+[2001-db8--1]-2&noUDP&sock=a>",
        "public/ip4:192.0.2.1:1/condor.sock:a,public/ip6:[2001:db8::1]:2/condor.sock:a",
    ),
    ("a host name", "<cm.example.org:9618?noUDP>", "public/dns:cm.example.org:9618"),
    (
        "a private address",
        "<192.0.2.1:1?PrivAddr=%3c10.0.0.1:5%3fsock%3da%3e&PrivNet=lan&addrs=192.0.2.1-1&noUDP&sock=a>",
        "lan/ip4:10.0.0.1:5/condor.sock:a,public/ip4:192.0.2.1:1/condor.sock:a",
    ),
    (
        "the same address on both networks",
        "<192.0.2.1:1?PrivNet=lan&addrs=192.0.2.1-1&noUDP>",
        "lan/ip4:192.0.2.1:1,public/ip4:192.0.2.1:1",
    ),
    (
        "a private address alone",
        "<?PrivAddr=%3c10.0.0.1:5%3e&PrivNet=lan&noUDP>",
        "lan/ip4:10.0.0.1:5",
    ),
    (
        "a broker, and an address for those on the same network",
        "<10.0.0.9:5?CCBID=192.0.2.1:9618%3fsock%3dcollector#7&PrivNet=lan&addrs=10.0.0.9-5&noUDP&sock=x>",
        "lan/ip4:10.0.0.9:5/condor.sock:x,"
        "public/ip4:192.0.2.1:9618/condor.sock:collector/condor.ccb:7/condor.sock:x",
    ),
    (
        "two brokers and nothing else",
        "<?CCBID=192.0.2.1:9618#7%20[2001:db8::1]:9618#9&noUDP>",
        "public/ip4:192.0.2.1:9618/condor.ccb:7,public/ip6:[2001:db8::1]:9618/condor.ccb:9",
    ),
    (
        "a broker behind a broker",
        "<?CCBID=192.0.2.1:9618#42#17&noUDP>",
        "public/ip4:192.0.2.1:9618/condor.ccb:42/condor.ccb:17",
    ),
]


@pytest.mark.parametrize(
    "sinful, address", [c[1:] for c in BOTH_WAYS], ids=[c[0] for c in BOTH_WAYS]
)
def test_both_say_the_same(sinful: str, address: str) -> None:
    there = to_address(parse(sinful))
    assert (str(there.result), there.missing) == (address, ())
    back = from_address(Address.parse(address))
    assert (str(back.result), back.missing) == (sinful, ())


TO_ADDRESS = [
    # HTCondor's, Glasnost's, the fields that are reported
    ("<192.0.2.1:1>", "public/ip4:192.0.2.1:1", []),
    ("<192.0.2.1:00080>", "public/ip4:192.0.2.1:80", []),
    ("<h.example:1?addrs=192.0.2.1-1>", "public/ip4:192.0.2.1:1,public/dns:h.example:1", []),
    ("<192.0.2.1:1?addrs=192.0.2.1-1+192.0.2.1-1>", "public/ip4:192.0.2.1:1", []),
    ("<192.0.2.1:1?alias=h.example&k=v>", "public/ip4:192.0.2.1:1", ["alias", "k"]),
    ("<192.0.2.1:1?noUDP=1&sock=>", "public/ip4:192.0.2.1:1", ["sock", "noUDP"]),
    (
        "<192.0.2.1:1?PrivNet=CHTC&PrivAddr=10.0.0.1:5>",
        "public/ip4:192.0.2.1:1",
        ["PrivNet", "PrivAddr"],
    ),
    ("<192.0.2.1:1?PrivNet=public>", "public/ip4:192.0.2.1:1", ["PrivNet"]),
    ("<192.0.2.1:1?PrivNet=host.7>", "public/ip4:192.0.2.1:1", ["PrivNet"]),
    ("<192.0.2.1:1?PrivAddr=10.0.0.1:5>", "public/ip4:192.0.2.1:1", ["PrivAddr"]),
    (
        "<10.0.0.9:5?CCBID=192.0.2.1:1%3falias%3dcm#7>",
        "public/ip4:192.0.2.1:1/condor.ccb:7",
        ["CCBID 192.0.2.1:1?alias=cm#7: alias", "host"],
    ),
    ("<192.0.2.1:1?CCBID=192.0.2.2:1#>", "None", ["CCBID 192.0.2.2:1#", "host", "host"]),
    ("<192.0.2.1:0>", "None", ["host", "host"]),
    ("<192.0.2.1>", "None", ["host", "host"]),
    ("<[::1>]:1>", "None", ["host", "host"]),
    ("<a b:1>", "None", ["host", "host"]),
    ("<>", "None", ["host"]),
    ("<192.0.2.1:1?sock=a%20b>", "None", ["sock", "host"]),
]


@pytest.mark.parametrize("sinful, address, missing", TO_ADDRESS)
def test_what_an_address_cannot_say_is_reported(
    sinful: str, address: str, missing: list[str]
) -> None:
    conversion = to_address(parse(sinful))
    assert str(conversion.result) == address
    assert [one.field for one in conversion.missing] == missing


FROM_ADDRESS = [
    # Glasnost's, HTCondor's, the routes that are reported
    ("public/ip4:192.0.2.1:1/service:a", "None", ["route 1"]),
    ("host.x/unix:%2Frun%2Fx", "None", ["route 1"]),
    ("host.x/ip4:127.0.0.1:1", "None", ["route 1"]),
    ("public/ip6:[fe80::1%25e0]:1", "None", ["route 1"]),
    ("lan/dns:h.example:1", "None", ["route 1"]),
    ("lan/ip4:10.0.0.1:1/condor.ccb:7", "None", ["route 1"]),
    (
        "public/ip4:192.0.2.1:1/condor.sock:a,public/ip4:192.0.2.1:1/condor.sock:b",
        "<192.0.2.1:1?addrs=192.0.2.1-1&noUDP&sock=a>",
        ["route 2"],
    ),
    (
        "lan/ip4:10.0.0.1:1,lan/ip4:10.0.0.2:1,site/ip4:10.0.0.3:1",
        "<?PrivAddr=%3c10.0.0.1:1%3e&PrivNet=lan&noUDP>",
        ["route 3", "route 2"],
    ),
    (
        "public/ip4:192.0.2.1:1,public/ip4:192.0.2.2:1/condor.ccb:7",
        "<192.0.2.1:1?CCBID=192.0.2.2:1#7&addrs=192.0.2.1-1&noUDP>",
        ["route 1"],
    ),
    (
        "public/dns:h.example:1,public/ip4:192.0.2.1:1",
        "<h.example:1?addrs=192.0.2.1-1&noUDP>",
        ["route 1"],
    ),
    ("public/ip4:192.0.2.1:1:colour=red", "<192.0.2.1:1?addrs=192.0.2.1-1&noUDP>", ["route 1"]),
]


@pytest.mark.parametrize("address, sinful, missing", FROM_ADDRESS)
def test_what_htcondor_cannot_say_is_reported(
    address: str, sinful: str, missing: list[str]
) -> None:
    conversion = from_address(Address.parse(address))
    assert str(conversion.result) == sinful
    assert [one.field for one in conversion.missing] == missing


TO_V1 = [
    # HTCondor's, the fields that v1 does not have
    ("<h:1?sock=a&alias=b&noUDP>", []),
    ("<h:1?sock=a%20b>", ["sock"]),
    ("<h h:1>", ["host"]),
    ("<h:00080?k=v&noUDP=1>", ["port", "k", "noUDP"]),
    ("<h:1?addrs=--1-5++1.2.3.4-70000>", ["addrs"]),
    ("<h:1?PrivNet=lan>", ["PrivNet"]),
    ("<h:1?PrivNet=my%20net&PrivAddr=10.0.0.1:5>", ["PrivNet", "PrivAddr"]),
    ("<h:1?PrivNet=lan&PrivAddr=10.0.0.1:5>", ["PrivAddr"]),
    ("<h:1?CCBID=b:1#42#17>", ["CCBID b:1#42#17"]),
    (
        "<h:1?CCBID=b:1%3falias%3dcm%26noUDP#7>",
        ["CCBID b:1?alias=cm&noUDP#7: alias", "CCBID b:1?alias=cm&noUDP#7: noUDP"],
    ),
    (
        "<h:1?CCBID=b:1%3fPrivNet%3dlan%26addrs%3d1.2.3.4-5#7>",
        ["CCBID b:1?PrivNet=lan&addrs=1.2.3.4-5#7"],
    ),
]


@pytest.mark.parametrize("sinful, missing", TO_V1)
def test_what_v1_cannot_say_is_reported(sinful: str, missing: list[str]) -> None:
    conversion = to_v1(parse(sinful))
    assert [one.field for one in conversion.missing] == missing
    assert str(from_v1(conversion.result).result)


def test_without_reports_v1_is_what_htcondor_writes() -> None:
    sinful = parse("<192.0.2.1:1?CCBID=192.0.2.2:1#7&PrivNet=lan&addrs=192.0.2.1-1&sock=a>")
    assert to_v1(sinful).result == write_v1(unfold(sinful))
    assert to_v1(sinful).missing == ()


def test_a_value_cannot_pretend_to_be_another_field() -> None:
    forged = parse("<192.0.2.1:1?alias=a%22;%20ccbid%3d%227>")
    assert "ccbid" not in to_v1(parse(str(forged))).result


ROUTE = '[ p="{}"; a="{}"; port=1; n="Internet"; {}]'
DROPPED = [
    # name, routes, the routes of which something is lost
    ("a second primary", [("primary", "h", ""), ("primary", "g", "")], ["route 1"]),
    ("an id after none", [("primary", "h", ""), ("IPv4", "1.2.3.4", 'spid="s"; ')], ["route 2"]),
    ("no address", [("IPv4", "host", "")], ["route 1"]),
    ("an unknown word", [("primary", "h", 'colour="red"; ')], ["route 1"]),
    ("another spelling", [("IPv6", "2001:DB8:0::1", "")], []),
    ("one alias for all", [("primary", "h", 'alias="a"; '), ("IPv4", "1.2.3.4", "")], []),
]


@pytest.mark.parametrize("routes, missing", [c[1:] for c in DROPPED], ids=[c[0] for c in DROPPED])
def test_what_htcondor_drops_of_v1_is_reported(
    routes: list[tuple[str, str, str]], missing: list[str]
) -> None:
    text = "{" + ", ".join(ROUTE.format(*route) for route in routes) + "}"
    assert [one.field for one in from_v1(text).missing] == missing
