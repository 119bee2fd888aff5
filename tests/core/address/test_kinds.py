"""The kinds that an address can judge: one spelling of each, and the quick way to read it."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from glasnost.core.address import Stage, reading
from glasnost.core.address.kinds import KNOWN, PLAIN
from glasnost.errors import AddressError
from tests.core.address.strategies import NEARLY, STAGES

CANONICAL = [
    # name                         read                               printed
    ("a name in capitals", "dns:CM.Example.ORG:09618", "dns:cm.example.org:9618"),
    ("DNS's final dot", "dns:cm.example.org.:1", "dns:cm.example.org:1"),
    ("one label", "dns:cm:1", "dns:cm:1"),
    ("underscores", "dns:_cm._tcp.x:1", "dns:_cm._tcp.x:1"),
    ("a server's name", "tls:Gate.Example.org", "tls:gate.example.org"),
    ("a server's IPv4 address", "tls:192.0.2.1", "tls:192.0.2.1"),
    ("a server's IPv6 address", "tls:[2001:DB8::0:7]", "tls:[2001:db8::7]"),
    ("a path", "ws:Gate:/x".replace("/", "%2f"), "ws:gate:%2Fx"),
    ("a query", "ws:gate:%2F?a=b".replace("?a=b", "%3Fa%3Db"), "ws:gate:%2F%3Fa%3Db"),
    ("a proxy", "socks5", "socks5"),
    ("another proxy", "http-connect", "http-connect"),
    ("a login", "ssh:g%61te", "ssh:gate"),
    ("a knock", "knock:fw-7", "knock:fw-7"),
    ("a setup", "setup:lab-vpn", "setup:lab-vpn"),
    ("a daemon of HTCondor", "condor.sock:5491_b8c1_1", "condor.sock:5491_b8c1_1"),
    ("leading zeros of a ccbid", "condor.ccb:00381", "condor.ccb:381"),
    ("nothing but zeros", "condor.ccb:000", "condor.ccb:0"),
    ("the largest ccbid", f"condor.ccb:{2**64 - 1}", f"condor.ccb:{2**64 - 1}"),
    (
        "what is behind HTCondor's broker",
        "condor.ccb:1:reach=ip6@a+ip4@a",
        "condor.ccb:1:reach=ip4@a+ip6@a",
    ),
]


@pytest.mark.parametrize("name, read, printed", CANONICAL, ids=[case[0] for case in CANONICAL])
def test_each_kind_has_one_spelling(name: str, read: str, printed: str) -> None:
    stage = Stage.parse(read)
    assert str(stage) == printed
    assert stage == Stage(stage.kind, stage.args, stage.options)


REFUSED = [
    ("dns:192.0.2.1:1", 5, "a DNS name"),
    ("dns:10.1:1", 5, "a DNS name"),
    ("dns:[::1]:1", 5, "a DNS name"),
    ("dns:a..b:1", 5, "a DNS name"),
    ("dns:-a:1", 5, "a DNS name"),
    ("dns:k%C3%A4se:1", 5, "a DNS name"),
    ("dns:" + ".".join(["a" * 60] * 5) + ":1", 5, "at most 253"),
    ("dns:cm", 7, "a port"),
    ("tls", 4, "a DNS name"),
    ("tls:192.0.2.256", 5, "or an IP address"),
    ("ws:gate", 8, "a path"),
    ("ws:gate:x", 9, "begins with /"),
    ("ws:gate:%2F%0D%0AHost", 9, "visible ASCII"),
    ("ws:gate:%2F%23", 9, "without #"),
    ("ssh:-oProxyCommand%3Dx", 5, "in the settings"),
    ("knock", 6, "the name of a knock"),
    ("setup:%2Fbin%2Fsh", 7, "the name of a setup"),
    ("condor.sock:a%2Fb", 13, "a shared port id"),
    ("condor.ccb:a", 12, "a ccbid"),
    ("condor.ccb:-1", 12, "a ccbid"),
    (f"condor.ccb:{2**64}", 12, "a ccbid"),
    ("condor.ccb:1:reach=ip4", 14, "reach=none"),
]


@pytest.mark.parametrize("text, column, expected", REFUSED, ids=[case[0][:40] for case in REFUSED])
def test_a_wrong_argument_is_refused_with_its_column(text: str, column: int, expected: str) -> None:
    with pytest.raises(AddressError) as caught:
        Stage.parse(text)
    assert caught.value.column == column
    assert expected in caught.value.expected


def test_every_kind_says_what_crossing_it_does() -> None:
    assert all(known.does for known in KNOWN.values())


#: IPv6 literals between those that are read the quick way and those that are not.
LITERALS = st.lists(
    st.sampled_from(["0", "1", "ffff", "a0", "00", "", ":", "::", "192.0.2.1"]), max_size=9
).map(":".join)


@given(
    NEARLY
    | STAGES.map(str)
    | LITERALS.map(lambda literal: f"ip6:[{literal}]:9618")
    | st.ip_addresses(v=6).map(lambda literal: f"ip6:[{literal}]:9618")
)
@example("ip6:[::ffff:1:2]:1")
@example("ip6:[1:0:0:2:3:4:5:6]:1")
@example("ip6:[1:2:3:4:5:6:7::]:1")
@example("ip6:[::2:3:4:5:6:7:8]:1")
@example("ip6:[::0:1]:1")
@example("ip6:[0::1]:1")
@example("ip6:[0:1::]:1")
@example("ip6:[::]:65535")
@example("ip4:1.2.3.4:65536")
def test_what_is_read_the_quick_way_is_what_the_long_way_reads(text: str) -> None:
    plain = PLAIN.fullmatch(text)
    if plain is not None:
        assert reading.read(text) == (plain[plain.lastindex or 0], text)
