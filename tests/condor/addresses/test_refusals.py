"""A text that is no address is refused with the column and a sentence; so are the limits."""

import time

import pytest

from glasnost.condor import Sinful, parse
from glasnost.condor.addresses.limits import MAX_TEXT, MAX_V1_TEXT
from glasnost.errors import AddressError, SinfulError

V1 = '{[ p="primary"; a="h"; port=1; n="Internet"; '

REFUSED = [
    # text, column, what the sentence names
    ("<h:1", 5, '">"'),
    ("h:1>", 5, "nothing after"),
    ("<h:1>x", 6, "nothing after"),
    ("<h:1x>", 5, "digits"),
    ("<[::1:1>", 9, '"]"'),
    ("<[::1]1>", 7, '":" and a port'),
    ("<h:1?k=%zz>", 8, "two hexadecimal digits"),
    ("<h:1?a&=b>", 8, "the key"),
    ("<h:1?%00=b>", 6, "the key"),
    ("<h:1?a&addrs=h-1>", 8, "IP-PORT"),
    ("<h:1?a&CCBID=h:1>", 8, '"#"'),
    ("<h:1?CCBID=%3ch:1%3e#7>", 6, "a broker's address"),
    ("<h:1?PrivNet=l&PrivAddr=h:1>", 16, "an IP address with a port"),
    ("<h:1?PrivNet=l&PrivAddr=%3ch>", 16, "an IP address with a port"),
    ("<h:99999999999>", 4, "a port of at most"),
    ("<h:" + "0" * 30 + ">", 4, "a port of at most"),
    ("<h\0:1>", 3, "UTF-8 and C"),
    ("<h\ud800:1>", 3, "UTF-8 and C"),
    ("{}", 2, "a route"),
    ("{[ p=", 2, "primary, IPv4 or IPv6"),
    (V1 + "spid=s; ]}", 46, "a text in quotes"),
    (V1 + 'spid="s";]}', 46, "one blank"),
    (V1 + "noUDP=false; ]}", 46, "noUDP=true"),
    (V1 + 'ccbid="7"; ]}', 57, "brokerIndex"),
    (V1 + 'ccbid="x"; brokerIndex=0; ]}', 46, "a text in quotes"),
    (V1 + 'ccbid="7"; brokerIndex=1; ]}', 1, "0, 1, ..."),
    (V1 + "]", 47, '"}"'),
    (V1 + "]\0}", 47, "UTF-8 and C"),
    (V1.replace("port=1", "port=9999999999") + "]}", 24, "a port of at most"),
    (V1 + 'alias="a"; ], ' + V1[1:] + 'alias="b"; ]}', 1, "alias"),
    (V1.replace('"h"', f'"{"h" * 62}"') + "]}", 17, "of at most 61"),
]


@pytest.mark.parametrize("text, column, sentence", REFUSED)
def test_a_text_is_refused_with_column_and_sentence(text: str, column: int, sentence: str) -> None:
    with pytest.raises(SinfulError) as caught:
        parse(text)
    assert caught.value.column == column
    assert sentence in caught.value.expected


def test_a_refusal_is_an_address_error() -> None:
    assert issubclass(SinfulError, AddressError)


def test_a_text_that_is_too_long_is_refused() -> None:
    with pytest.raises(SinfulError) as caught:
        parse("<h:1?k=" + "a" * MAX_TEXT + ">")
    assert caught.value.column == MAX_TEXT + 1
    with pytest.raises(SinfulError) as caught:
        parse("{" + " " * MAX_V1_TEXT)
    assert caught.value.column == MAX_V1_TEXT + 1


def test_too_many_routes_are_refused() -> None:
    with pytest.raises(SinfulError, match="at most 256 routes"):
        parse("<h:1?CCBID=" + "b#1%20" * 300 + ">")
    with pytest.raises(SinfulError, match="no more than 256 routes"):
        parse((V1 + "], ") * 300)


def test_addresses_within_addresses_are_refused_when_too_deep() -> None:
    def nested(levels: int) -> Sinful:
        sinful = Sinful.of("b", "1")
        for _ in range(levels):
            broker = str(sinful)[1:-1].replace("#", "%23")
            sinful = Sinful.of("b", "1", {"CCBID": f"{broker}#7"})
        return sinful

    assert parse(str(nested(3))) == nested(3)
    with pytest.raises(SinfulError, match="at most 4 addresses within each other"):
        parse(str(nested(4)))


def test_bytes_that_are_not_ascii_are_kept() -> None:
    assert str(parse("<h:1?k=é>")) == "<h:1?k=%c3%a9>"
    assert parse("<h:1?k=%c3%a9>").param("k") == "é"
    assert str(parse("<h:1?k=%FF>")) == "<h:1?k=%ff>"


@pytest.mark.parametrize(
    "head, unit, tail",
    [
        ("<h:1?", "a&", ">"),
        ("<h:1?k=", "%41", ">"),
        ("<h:1?addrs=", "1.1.1.1-1+", ">"),
        ("<h:1?CCBID=b#1%20", "%20", ">"),
        ("<", ":", ">"),
        ("[", "[", "]"),
        (V1 + 'x="', '"', '"; ]}'),
        (V1, 'x="y"; ', "]}"),
        (V1 + "]", "]", "}"),
        ("{", "[ ", "}"),
    ],
)
def test_no_text_of_legal_size_takes_long(head: str, unit: str, tail: str) -> None:
    """Quadratic work would take minutes; this takes 30 ms at most on the slowest machine seen."""
    size = (MAX_V1_TEXT if head.startswith("{") else MAX_TEXT) - len(head) - len(tail)
    text = head + unit * (size // len(unit)) + tail
    started = time.perf_counter()
    try:
        parse(text)
    except SinfulError:
        pass
    assert time.perf_counter() - started < 0.5
