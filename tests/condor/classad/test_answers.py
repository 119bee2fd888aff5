"""Answers of any length: read while they come, however they are cut, and refused when they lie."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glasnost.condor.classad import Ad
from glasnost.condor.classad.answers import AnswerReader
from glasnost.condor.classad.limits import MAX_AD, MAX_ATTRIBUTES
from glasnost.condor.classad.packed import Packed, string
from glasnost.errors import ProtocolError
from tests.condor.classad.strategies import NAMES, VALUES

ADS = st.dictionaries(NAMES, VALUES, max_size=4).map(Ad)


def number(value: int) -> bytes:
    return value.to_bytes(8, "big", signed=True)


def message(ads: list[Ad], encrypted: bool, marker: bool = False) -> bytes:
    """An answer, written the long way."""
    parts = []
    for ad in ads:
        lines = ad.lines()
        parts += [number(1), number(len(lines))]
        for line in lines:
            parts += [string(b"ZKM", encrypted)] * marker + [string(line, encrypted)]
        parts += [string(b"", encrypted)] * 2
    return b"".join([*parts, number(0)])


def read(data: bytes, encrypted: bool, step: int) -> list[Ad]:
    reader = AnswerReader(encrypted=encrypted)
    pieces = [data[at : at + step] for at in range(0, len(data), step)]
    ads = [ad for piece in pieces for ad in reader.feed(piece)]
    reader.finish()
    return ads


@given(st.lists(ADS, max_size=4), st.booleans(), st.booleans(), st.integers(1, 300))
def test_an_answer_is_read_however_it_is_cut(
    ads: list[Ad], encrypted: bool, marker: bool, step: int
) -> None:
    assert read(message(ads, encrypted, marker), encrypted, step) == ads


@pytest.mark.parametrize("encrypted", [False, True])
def test_ads_are_there_before_the_answer_is_over(encrypted: bool) -> None:
    one = message([Ad({"A": 1})], encrypted)[:-8]
    reader = AnswerReader(encrypted=encrypted)
    assert [ad["a"] for ad in reader.feed(one + one[:-1])] == [1]
    assert [ad["a"] for ad in reader.feed(one[-1:])] == [1]
    assert reader.feed(number(0)) == []
    reader.finish()


@pytest.mark.parametrize("encrypted", [False, True])
@given(
    lines=st.lists(st.binary(max_size=9).filter(lambda line: b"\0" not in line and line != b"ZKM"))
)
def test_what_is_in_an_ad_is_looked_at_when_somebody_asks(
    lines: list[bytes], encrypted: bool
) -> None:
    body = b"".join(string(line, encrypted) for line in [*lines, b"", b""])
    (ad,) = read(number(1) + number(len(lines)) + body + number(0), encrypted, 1000)
    assert repr(ad) == "<Ad, not read yet>"
    assert said(lambda: ad.lines()) == said(lambda: Ad.from_lines(lines).lines())


def said(ask: Callable[[], list[bytes]]) -> list[bytes] | str:
    """What is answered, or the sentence of the refusal."""
    try:
        return ask()
    except ProtocolError as error:
        return str(error)


LIES = [
    # data, on an encrypted channel, what the sentence says
    (number(2), False, "2 where it says whether an ad follows"),
    (number(-1), True, "-1 where it says"),
    (number(1) + number(MAX_ATTRIBUTES + 1), False, "an ad of 20001 attributes"),
    (number(1) + number(-1), True, "an ad of -1 attributes"),
    (number(1) + number(1) + number(0), True, "a string of 0 bytes"),
    (number(1) + number(1) + number(-3), True, "a string of -3 bytes"),
    (number(1) + number(1) + number(MAX_AD + 1), True, "a string of 4194305 bytes"),
    (number(1) + number(1) + number(3) + b"a=1", True, "end with a zero byte"),
    (number(0) + b"x", False, "goes on behind its end"),
    (number(1) + number(1) + b"x" * (MAX_AD + 24 * MAX_ATTRIBUTES), False, "too large"),
    (number(1) + number(1) + b"ZKM\0" * 2_000_000, False, "too large"),
]


@pytest.mark.parametrize("data, encrypted, sentence", LIES, ids=[case[2] for case in LIES])
def test_what_is_no_answer_is_refused(data: bytes, encrypted: bool, sentence: str) -> None:
    with pytest.raises(ProtocolError, match=sentence):
        AnswerReader(encrypted=encrypted).feed(data)


@pytest.mark.parametrize("data", [b"", number(1), message([Ad({"A": 1})], False)[:-1]])
def test_an_answer_without_its_end_is_refused(data: bytes) -> None:
    reader = AnswerReader(encrypted=False)
    reader.feed(data)
    with pytest.raises(ProtocolError, match="ends in the middle"):
        reader.finish()


def test_pieces_may_come_behind_the_end_only_empty() -> None:
    reader = AnswerReader(encrypted=True)
    reader.feed(number(0))
    assert reader.feed(b"") == []
    with pytest.raises(ProtocolError, match="goes on behind its end"):
        reader.feed(b"\0")


@given(st.lists(st.binary(max_size=1200).filter(lambda line: b"\0" not in line)))
def test_packed_lines_are_the_lines(lines: list[bytes]) -> None:
    packed = Packed(lines)
    assert list(packed) == lines
    assert packed[:] == lines
    assert packed[1:-1] == lines[1:-1]
    assert packed.clear() == b"".join(string(line, False) for line in lines)
    assert packed.encrypted == b"".join(string(line, True) for line in lines)
    assert len(packed.encrypted) <= packed.size
