"""No text of legal size takes worse than linear time, in any form: work is measured as it grows."""

import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glasnost.core.address import Address
from glasnost.core.address.display import display, parse_display
from glasnost.core.address.limits import MAX_TEXT
from glasnost.core.address.notation import notation, parse_notation
from glasnost.errors import AddressError
from tests.core.address.strategies import PIECES

READERS: list[Callable[[str], Address]] = [Address.parse, parse_display, parse_notation]

#: The slowest in each form that hypothesis and we have found, in repetitions.
WORST = [
    *("a", "a:", "a=", ":a=b", ":a1=b:a2=[::]", "[", "%41", "%", "a,", "a:b,", "x/", "[::1]:", "]"),
    *("{", "{a|", "{a}/", "|", "a|b|", "{a|b}/", "{{a}}/", "'"),
    *("(", "(a)", "(a),", "(a,b),", "(a);", "\n", " ", ", ", "(ip6,::),", "(ip6,:"),
    *("ip6:[", "0:", "1:", "0:0:", "::", "ip6:[1::]:1/", "dns:a.", "a.", "0.", "a-", "tls:"),
    *("condor.ccb:0", "0", "ccb:a:reach=a@b+", "+a@b", "service:a/"),
]
BEGINNINGS = [
    *("", "lab/x:", "lab/", "x/ip6:[", "x/dns:", "x/tls:", "x/ws:a:", "x/condor.ccb:"),
    *("x/ccb:n:reach=a@b", "x/unix:%2F", "(ip6, ", "(x, ", "'lab/{"),
]


def seconds(read: Callable[[str], Address], text: str, tries: int = 3) -> float:
    """The processor time of the fastest of some tries: whatever else runs only adds to it, if less
    than to the time of the clock on the wall."""
    taken = []
    for _ in range(tries):
        begun = time.thread_time()
        try:
            read(text)
        except AddressError:
            pass
        taken.append(time.thread_time() - begun)
    return min(taken)


def assert_linear(read: Callable[[str], Address], beginning: str, piece: str, end: str) -> None:
    def text(size: int) -> str:
        return (beginning + piece * (size // len(piece)))[: size - len(end)] + end

    # What takes less than 20 ms took less than 1 us for a character, and needs no ratio: a step
    # that is quadratic has 10^9 characters to look at.
    if seconds(read, text(MAX_TEXT), 1) < 0.02:
        return
    small, large = (seconds(read, text(size)) for size in (MAX_TEXT // 16, MAX_TEXT))
    # Sixteen times the text takes 16 times as long, and 256 times where a step is quadratic.
    assert large < 64 * small, f"{small:.6f} s, then {large:.6f} s"


@pytest.mark.parametrize("read", READERS, ids=["text", "display", "talk"])
@pytest.mark.parametrize("piece", WORST)
def test_the_worst_texts_take_linear_time(read: Callable[[str], Address], piece: str) -> None:
    for beginning in BEGINNINGS:
        for end in ("", "!", "%"):
            assert_linear(read, beginning, piece, end)


@settings(max_examples=30)
@given(
    st.sampled_from(READERS),
    st.lists(st.sampled_from([*PIECES, *"{}|();\n'"]), max_size=3).map("".join),
    st.lists(st.sampled_from([*PIECES, *"{}|();\n"]), min_size=1, max_size=4).map("".join),
    st.sampled_from(["", "!", "}", ")", "]", "'"]),
)
def test_any_repetition_takes_linear_time(
    read: Callable[[str], Address], beginning: str, piece: str, end: str
) -> None:
    assert_linear(read, beginning, piece, end)


#: Addresses as large as they get, well-formed, so that all of the work is done.
LARGEST = {
    "short stages": ",".join(["n/" + "/".join(["x:a"] * 16)] * 32),
    "all different": ",".join(
        "n/" + "/".join(f"ccb:c{r}-{s}:reach=ip6@a+ip4@b" for s in range(16)) for r in range(32)
    ),
    "many options": ",".join(
        f"n/x{r}" + "".join(f":k{o}=%41" for o in range(100)) for r in range(32)
    ),
    "all encoded": ",".join([f"n/x:{'%C3%A9' * 169}"] * 32),
    "all choices": ",".join(
        "n/" + "/".join(f"{'xy'[r >> s & 1]}:{'a' * 120}" for s in range(5)) for r in range(32)
    ),
}


@pytest.mark.parametrize("text", LARGEST.values(), ids=LARGEST.keys())
def test_the_largest_addresses_are_read_and_printed_in_a_moment(text: str) -> None:
    begun = time.thread_time()
    address = Address.parse(text)
    assert str(address) == text or "reach" in text or "%41" in text
    assert parse_display(display(address)) == address
    assert parse_notation(notation(address)) == address
    assert address.graph().routes() == address.routes
    # 512 stages in five forms: some 20 ms. A second is for machines that do much else.
    assert time.thread_time() - begun < 1
