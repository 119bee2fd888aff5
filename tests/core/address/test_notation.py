"""The talk's own notation, both ways."""

import pytest
from hypothesis import given

from glasnost.core.address import Address
from glasnost.core.address.limits import MAX_NOTATION
from glasnost.core.address.notation import notation, parse_notation
from glasnost.errors import AddressError
from tests.core.address.examples import EXAMPLES
from tests.core.address.strategies import ADDRESSES, TEXTS

#: What the design quotes of the talk, and its first examples as the talk would write them.
TALK = [
    (
        "public, (IPv4, 173.194.46.96, 80), (CCB, 381), (SharedPort, 5491_b8c1_1)",
        "public/ip4:173.194.46.96:80/ccb:381/service:5491_b8c1_1",
    ),
    ("public, (IPv4, 42.82.111.3, 9618)", "public/ip4:42.82.111.3:9618"),
    ("public, (IPv6, 2607:f388::1, 9618)", "public/ip6:[2607:f388::1]:9618"),
    (
        "example.com, (IPv4, 192.168.1.55, 9618), (SharedPort, 5491_b8c1_1)",
        "example.com/ip4:192.168.1.55:9618/service:5491_b8c1_1",
    ),
    (
        "public, (IPv4, 42.82.111.3, 9618), (SharedPort, 381_382b_3), (CCB, 37349), "
        "(SharedPort, 5491_b8c1_1)",
        "public/ip4:42.82.111.3:9618/service:381_382b_3/ccb:37349/service:5491_b8c1_1",
    ),
]


@pytest.mark.parametrize("theirs, ours", TALK)
def test_the_talks_strings_are_read_and_written(theirs: str, ours: str) -> None:
    assert str(parse_notation(theirs)) == ours
    assert notation(Address.parse(ours)) == theirs


def test_without_a_network_it_is_public() -> None:
    text = "(IPv4, 173.194.46.96, 80), (CCB, 381), (SharedPort, 5491_b8c1_1)"
    assert parse_notation(text) == parse_notation(f"public, {text}")


@pytest.mark.parametrize("text", EXAMPLES)
def test_every_example_survives_the_notation(text: str) -> None:
    assert str(parse_notation(notation(Address.parse(text)))) == text


@given(ADDRESSES)
def test_the_notation_reads_what_it_prints(address: Address) -> None:
    assert parse_notation(notation(address)) == address


WRITTEN_OTHERWISE = [
    ("blanks are free", " lab ,(IPv4,192.0.2.1 ,80)\t", "lab/ip4:192.0.2.1:80"),
    ("our names of kinds", "(ip4, 192.0.2.1, 80), (ccb, n)", "public/ip4:192.0.2.1:80/ccb:n"),
    ("brackets", "(IPv6, [::1], 80)", "public/ip6:[::1]:80"),
    ("a zone", "(IPv6, fe80::1%25e0, 80)", "public/ip6:[fe80::1%25e0]:80"),
    ("semicolons", "lab, (x); (y)", "lab/x,public/y"),
    ("lines", "lab, (x)\r\n\r\n(y)\n", "lab/x,public/y"),
    ("options", "(CCB, n, reach=none)", "public/ccb:n:reach=none"),
    ("a literal elsewhere", "(pigeon, [0::7], k=[::0])", "public/pigeon:[0::7]:k=[::0]"),
]


@pytest.mark.parametrize(
    "name, text, ours", WRITTEN_OTHERWISE, ids=[c[0] for c in WRITTEN_OTHERWISE]
)
def test_what_people_write_is_read(name: str, text: str, ours: str) -> None:
    assert str(parse_notation(text)) == ours


REFUSED = [
    ("", 1, "a network or a stage"),
    ("public", 7, '","'),
    ("public,", 8, "a stage in parentheses"),
    ("ip4:192.0.2.1:80", 1, "a network, or a stage in parentheses"),
    ("Public, (x)", 1, "a network"),
    ("(IPv4, 192.0.2.1, 80", 21, '")"'),
    ("(IPv4, 192.0.2.1, 0)", 19, "a port"),
    ("(IPv4, 192.0.2.1)", 17, "a port"),
    ("(IPv4, 192.0.2.1; 80)", 17, '")"'),
    ("(IPV4, 192.0.2.1, 80)", 2, "a stage"),
    ("(IPv6, zz::1, 80)", 8, "an IPv6 address"),
    ("(CCB, a:b)", 7, "one field"),
    ("(CCB, a/b)", 7, "one field"),
    ("(CCB, a) (CCB, b)", 10, '","'),
    ("(CCB, a),", 10, "a stage in parentheses"),
    ("(CCB, )", 7, "an argument"),
    ("()", 2, "a stage"),
    ("lab, (x)\n(CCB, %zz)", 16, "two hexadecimal"),
]


@pytest.mark.parametrize("text, column, expected", REFUSED)
def test_what_is_no_notation_is_refused_with_its_column(
    text: str, column: int, expected: str
) -> None:
    with pytest.raises(AddressError) as caught:
        parse_notation(text)
    assert expected in caught.value.expected
    assert caught.value.column == column
    assert caught.value.text == text


def test_a_text_that_is_too_long_is_not_looked_at() -> None:
    with pytest.raises(AddressError, match=str(MAX_NOTATION)):
        parse_notation("(" * (MAX_NOTATION + 1))


@given(TEXTS | TEXTS.map(lambda text: text.replace(":", ", ").replace("/", "), (")))
def test_any_text_is_notation_or_is_refused_with_a_column(text: str) -> None:
    refused = None
    try:
        address = parse_notation(text)
        assert parse_notation(notation(address)) == address
    except AddressError as error:
        refused = error
    if refused is not None:
        assert 1 <= refused.column <= len(text) + 1
        assert refused.text == text
