"""What holds for every address, and for every text that is none."""

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from glasnost.condor import Sinful, parse
from glasnost.condor.addresses.conversion import Missing
from glasnost.condor.addresses.convert_v1 import from_v1, to_v1
from glasnost.condor.addresses.explain import explain
from glasnost.condor.addresses.from_address import from_address
from glasnost.condor.addresses.to_address import to_address
from glasnost.core.address import Address, Route, Stage
from glasnost.errors import SinfulError
from tests.condor.addresses.strategies import NEARLY, WORDS, sinfuls


def parsed_or_skipped(sinful: Sinful) -> Sinful:
    """The same address as it is read; HTCondor calls some of those invalid that can be built."""
    try:
        return parse(str(sinful))
    except SinfulError:
        assume(False)
        raise


def fields(missing: tuple[Missing, ...]) -> set[str]:
    """The fields that are reported, each whole, and as what it begins with (CCBID b:1#7: alias)."""
    whole = {one.field for one in missing}
    return whole | {field.split()[0].rstrip(":") for field in whole if field.strip()}


@given(st.text() | NEARLY)
@example("{[ " + '[ p="primary"; ' * 50)
@example("<h:1?" + "PrivNet=x%26PrivAddr=" * 50 + ">")
@example("<h:1?CCBID=[1:1?CCBID=[1::1]:9#7>")  # what ends a host stands in brackets
@example('{[ p="primary"; a="h"; port=1; n="Internet"; ccbid="7"; ]}')
def test_any_text_is_an_address_or_refused_with_a_column(text: str) -> None:
    try:
        sinful = parse(text)
    except SinfulError as error:
        refused = error
    else:
        to_v1(sinful)
        to_address(sinful)
        assert list(explain(sinful))
        return
    assert 1 <= refused.column <= len(text) + 1
    assert refused.text == text


@given(sinfuls())
def test_what_is_written_reads_back(sinful: Sinful) -> None:
    read = parsed_or_skipped(sinful)
    assert read == sinful
    assert str(read) == str(sinful)


@given(sinfuls())
def test_what_v1_is_written_reads_back(sinful: Sinful) -> None:
    parsed_or_skipped(sinful)
    conversion = to_v1(sinful)
    back = from_v1(conversion.result)
    reported = fields(conversion.missing)
    for key in ("host", "port_number", "sock", "no_udp"):
        name = {"port_number": "port", "no_udp": "noUDP"}.get(key, key)
        # v1 says -1 for no port.
        left, right = (getattr(side, key) for side in (sinful, back.result))
        assert left == right or (left is None and right == -1) or name in reported, name
    for key, value in sinful.params:
        if key == "CCBID":
            assert len(back.result.contacts) == len(sinful.contacts) or key in reported
        elif key != "noUDP":
            assert back.result.param(key) == value or key in reported, key
    for key, value in back.result.params:  # nor is anything made up
        assert key in ("addrs", "CCBID") or sinful.param(key) is not None, (key, value)


@given(sinfuls())
def test_what_an_address_does_not_say_is_reported(sinful: Sinful) -> None:
    parsed_or_skipped(sinful)
    conversion = to_address(sinful)
    # A value may also be named in the reason why another one could not be said.
    text = " ".join([str(conversion.result), *map(str, conversion.missing)])
    reported = fields(conversion.missing)

    def said(field: str, value: str) -> bool:
        return value in text or field in reported

    if sinful.host:
        # DNS knows no case, and a dot at the end of a name is none of it.
        host = sinful.endpoint.ip if sinful.endpoint else sinful.host.lower().removesuffix(".")
        assert said("host", host) or "addrs" in reported
    for addr in sinful.addrs:
        assert said("addrs", addr.ip)
    for key, value in sinful.params:
        if key in ("sock", "PrivNet") and value:
            assert f":{value}" in text or f"{value}/" in text or reported, key
        elif key not in ("addrs", "CCBID", "noUDP", "PrivAddr", "sock", "PrivNet"):
            assert key in reported
    assert conversion.result is not None or conversion.missing


@st.composite
def addresses(draw: st.DrawFn) -> Address:
    """Addresses whose routes are of HTCondor's sorts, and of some others."""
    origins = st.one_of(
        st.builds(Stage.ip, st.ip_addresses().map(str), st.integers(1, 65535)),
        st.builds(Stage, st.just("dns"), st.just(("cm.example.org", "9618"))),
        st.just(Stage.unix("/run/x")),
    )
    behind = st.one_of(
        st.builds(lambda name: Stage("condor.sock", (name,)), WORDS),
        st.builds(lambda number: Stage("condor.ccb", (number,)), st.sampled_from(["7", "8"])),
        st.builds(Stage.service, WORDS),
    )
    networks = st.sampled_from(["public", "public", "lan", "site", "host.x"])
    routes = st.builds(
        lambda network, origin, more: Route(network, (origin, *more)),
        networks,
        origins,
        st.lists(behind, max_size=3),
    )
    return Address(tuple(draw(st.lists(routes, min_size=1, max_size=4))))


@given(addresses())
@example(Address.parse("public/ip6:[::ffff:192.0.2.1]:1"))
def test_each_route_is_said_to_htcondor_or_reported(address: Address) -> None:
    made = from_address(address)
    reported = {one.field for one in made.missing}
    back: tuple[Route, ...] = ()
    if made.result is not None:
        assert parse(str(made.result)) == made.result
        routes = to_address(made.result)
        assert routes.missing == () or all(one.field in ("addrs", "host") for one in routes.missing)
        back = tuple(routes.result or ())
    for number, route in enumerate(address, 1):
        assert route in back or f"route {number}" in reported, str(route)


def test_a_report_prints_as_a_line() -> None:
    assert str(Missing("alias", "no place").below("CCBID")) == "CCBID: alias: no place"


@pytest.mark.parametrize("notation", ["<h:1?k={}>", "<h:1?{}>", "<{}:1>", '{{[ p="primary"; a="{}'])
@pytest.mark.parametrize("filling", ["a", "%", "&", "%41", "[", "]", " ", '"'])
def test_a_long_text_is_refused_before_any_work(notation: str, filling: str) -> None:
    with pytest.raises(SinfulError, match="column"):
        parse(notation.format(filling * 100_000))
