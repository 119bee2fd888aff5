"""A malformed text is refused with the column and a sentence."""

import time

import pytest

from glasnost.core.address import Address, Route, Stage
from glasnost.core.address.limits import MAX_ROUTE_TEXT, MAX_ROUTES, MAX_STAGES, MAX_TEXT
from glasnost.errors import AddressError

REFUSED = [
    # text                                          column  what the sentence names
    ("", 1, "a network or a stage"),
    ("public", 7, '"/" and a stage'),
    ("public/", 8, "a stage"),
    ("/ip4:192.0.2.1:1", 1, "a network or a stage"),
    ("Public/ip4:192.0.2.1:1", 1, "a network"),
    ("pub lic/ip4:192.0.2.1:1", 4, "a network"),
    ("public/ip4:192.0.2.1:1,", 24, "a network or a stage"),
    ("public//ip4:192.0.2.1:1", 8, "a stage"),
    (" public/ip4:192.0.2.1:1", 1, "a network"),
    ("public/ip4:192.0.2.1:1 ", 23, "the end of the argument"),
    ("public/IP4:192.0.2.1:1", 8, "a stage"),
    ("public/ip4", 11, "an IPv4 address"),
    ("public/ip4:192.0.2.1", 21, "a port"),
    ("public/ip4:192.0.2.1:x=1", 22, "a port"),
    ("public/ip4:192.0.2.1:0", 22, "a port from 1 to 65535"),
    ("public/ip4:192.0.2.1:65536", 22, "a port from 1 to 65535"),
    ("public/ip4:192.0.2.1:http", 22, "a port from 1 to 65535"),
    ("public/ip4:192.0.2.01:1", 12, "an IPv4 address"),
    ("public/ip4:192.0.2.256:1", 12, "an IPv4 address"),
    ("public/ip4:192.0.2:1", 12, "an IPv4 address"),
    ("public/ip4:[192.0.2.1]:1", 12, "an IPv6 address in brackets"),
    ("public/ip4:[::1]:1", 12, "an IPv4 address"),
    ("public/ip6:192.0.2.1:1", 12, "an IPv6 address"),
    ("public/ip6:::1:1", 12, "an argument"),
    ("public/ip6:[::1:1", 12, "an IPv6 address in brackets"),
    ("public/ip6:[::1]9618", 17, '":"'),
    ("public/ip6:[1::2::3]:1", 12, "an IPv6 address"),
    ("public/ip6:[fe80::1%eth0]:1", 12, "an IPv6 address in brackets"),
    ("public/ip6:[fe80::1%25]:1", 12, "an IPv6 address in brackets"),
    ("public/ip6:[fe80::1%25a%2Fb]:1", 12, "an IPv6 address"),
    ("public/pigeon:[1::2::3]", 15, "an IPv6 address in brackets"),
    ("public/pigeon:k=[zz]", 17, "an IPv6 address in brackets"),
    ("public/service:", 16, "an argument"),
    ("public/service:a b", 17, "%XX"),
    ("public/service:a%2Fb", 16, "the name of a service"),
    ("public/service:" + 64 * "a", 16, "1 to 63"),
    ("public/ccb:a@b", 12, "the name of a contact"),
    ("public/unix:run", 13, "an absolute path"),
    ("public/unix:%2F%00", 13, "an absolute path"),
    ("public/unix:%2F" + 107 * "a", 13, "107 bytes"),
    ("public/pigeon:%2", 15, "two hexadecimal digits"),
    ("public/pigeon:a%zz", 16, "two hexadecimal digits"),
    ("public/pigeon:%FF", 15, "UTF-8"),
    ("public/pigeon:%ED%A0%80", 15, "UTF-8"),
    ("public/pigeon:é", 15, "an argument"),
    ("public/pigeon::a", 15, "an argument"),
    ("public/pigeon:k=", 17, "an argument"),
    ("public/pigeon:=v", 15, "an argument"),
    ("public/pigeon:k=v=w", 18, '":"'),
    ("public/pigeon:kEy=v", 18, '":"'),
    ("public/pigeon:k=v:a", 19, "key=value"),
    ("public/pigeon:k=v:k=w", 19, "given before"),
    ("public/ccb:n:reach=ip4", 14, "reach=none"),
    ("public/ccb:n:reach=", 20, "an argument"),
    ("public/ip4:192.0.2.1:1,lab/ip4:10.0.0.1:0", 41, "a port"),
    ("public/ip4:192.0.2.1:1/service:%61%62:k=1:k=2", 43, "given before"),
]


@pytest.mark.parametrize("text, column, expected", REFUSED, ids=[case[0][:40] for case in REFUSED])
def test_a_malformed_text_is_refused_with_its_column(text: str, column: int, expected: str) -> None:
    with pytest.raises(AddressError) as caught:
        Address.parse(text)
    assert str(caught.value).startswith(f"column {column}: expected ")
    assert expected in caught.value.expected
    assert caught.value.text == text


TOO_MUCH = [
    ("stages", "lab/" + "/".join(["x"] * (MAX_STAGES + 1)), 1),
    ("text in a route", "lab/x:" + "a" * MAX_ROUTE_TEXT, 1),
    ("in the second route", "lab/x," + "lab/x:" + "a" * MAX_ROUTE_TEXT, 7),
    ("routes", ",".join(["lab/x"] * (MAX_ROUTES + 1)), 1),
    ("text", "x" * (MAX_TEXT + 1), MAX_TEXT + 1),
]


@pytest.mark.parametrize("name, text, column", TOO_MUCH, ids=[case[0] for case in TOO_MUCH])
def test_too_much_is_refused(name: str, text: str, column: int) -> None:
    with pytest.raises(AddressError) as caught:
        Address.parse(text)
    assert caught.value.column == column


def test_the_largest_address_is_read() -> None:
    route = Route("lab", (Stage("x", ("a" * (MAX_ROUTE_TEXT - len("lab/x:")),)),))
    address = Address((route,) * MAX_ROUTES)
    assert Address.parse(str(address)) == address
    assert len(str(address)) < MAX_TEXT


def test_what_is_built_in_code_has_the_same_limits() -> None:
    stage = Stage("x")
    for build in (
        lambda: Route("lab", ()),
        lambda: Route("lab", (stage,) * (MAX_STAGES + 1)),
        lambda: Route("Lab", (stage,)),
        lambda: Address(()),
        lambda: Address((Route("lab", (stage,)),) * (MAX_ROUTES + 1)),
    ):
        with pytest.raises(AddressError):
            build()


@pytest.mark.parametrize(
    "pattern", ["a", "a:", "a=", ":a=b", "[", "%41", "%", "a,", "a:b,", "x/", "[::1]:", "]"]
)
def test_reading_takes_linear_time_whatever_the_text(pattern: str) -> None:
    text = "lab/x:" + pattern * (MAX_TEXT // len(pattern))
    started = time.perf_counter()
    for tail in ("", "!", ":", "=", "[", "%"):
        with pytest.raises(AddressError):
            Address.parse(text[: MAX_TEXT - 1] + tail)
    # Six texts of 32 KiB take some milliseconds each; a quadratic step in it would take minutes.
    assert time.perf_counter() - started < 5
