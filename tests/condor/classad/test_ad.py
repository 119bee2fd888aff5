"""An ad: names in any case, lines as they came, and what is no ad refused in a sentence."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glasnost.condor.classad import Ad, Expression, Value, is_private, read_security_ad
from glasnost.condor.classad.limits import MAX_AD, MAX_ATTRIBUTES, MAX_NAME
from glasnost.errors import ProtocolError
from tests.condor.classad.strategies import LINES, NAMES, VALUES


def test_lines_are_kept_and_values_read_from_them() -> None:
    lines = [b'Name = "x"', b"Cpus=4", b"Rank = Cpus * 2", b"Gone = undefined"]
    ad = Ad.from_lines(lines)
    assert ad.lines() == lines
    assert dict(ad) == {"Name": "x", "Cpus": 4, "Rank": Expression("Cpus * 2"), "Gone": None}
    assert (ad["NAME"], ad.text("rank"), "cPuS" in ad, "Disk" in ad) == (
        "x",
        "Cpus * 2",
        True,
        False,
    )
    assert ad.get("Disk", 7) == 7
    with pytest.raises(KeyError):
        ad["Disk"]


def test_a_later_line_replaces_an_earlier_one() -> None:
    ad = Ad.from_lines([b"A = 1", b"B = 2", b"a = 3"])
    assert ad.lines() == [b"a = 3", b"B = 2"]


def test_a_line_is_split_at_the_first_equals_sign() -> None:
    assert Ad.from_lines([b"A == B"]).text("A") == "= B"
    assert Ad.from_lines([b'A="b=c"'])["A"] == "b=c"
    assert Ad.from_lines([b"'a b' = 1"])["'A B'"] == 1


def test_bytes_that_are_no_utf8_come_back_as_they_were() -> None:
    ad = Ad.from_lines([b'A = "\xff\xc3\xa9"', "GRÖSSE = 1".encode()])
    assert Ad(dict(ad)).lines() == ad.lines()
    assert ad["grÖsse"] == 1


def test_ads_are_merged_and_thinned() -> None:
    ad = Ad({"A": 1, "B": 2}).merged(Ad({"b": 3, "C": 4}))
    assert ad.lines() == [b"A = 1", b"b = 3", b"C = 4"]
    assert ad.without("a", "X").lines() == [b"b = 3", b"C = 4"]
    assert len(ad) == 3


def test_ads_are_equal_whatever_the_case_and_order_of_names() -> None:
    assert Ad.from_lines([b"A = 1", b"B=x"]) == Ad.from_lines([b"b = x", b"a = 1"])
    assert Ad({"A": 1}) != Ad({"A": 2})
    assert Ad({"A": 1}) != Ad({"A": 1, "B": 2})
    assert Ad({"A": 1}) != {"A": 1}


def test_an_ad_shows_itself_without_its_secrets() -> None:
    assert repr(Ad({"ClaimId": "secret", "Name": "x"})) == '<Ad of 2: Name = "x">'
    assert repr(Ad()) == "<Ad of 0>"


@pytest.mark.parametrize(
    "line, sentence",
    [
        (b"", "no '='"),
        (b"ClaimId : secret", "no '='"),
        (b"= 1", "attribute's name"),
        (b" = 1", "attribute's name"),
        (b"A\x1b = 1", "attribute's name"),
        (b"a" * (MAX_NAME + 1) + b" = 1", "attribute's name"),
        (b"A = " + b"x" * MAX_AD, "more than 4194304 bytes"),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_a_line_that_is_no_attribute_is_refused(line: bytes, sentence: str) -> None:
    with pytest.raises(ProtocolError, match=sentence) as caught:
        Ad.from_lines([b"B = 1", line])
    assert "secret" not in str(caught.value)


def test_too_many_attributes_are_refused() -> None:
    with pytest.raises(ProtocolError, match="an ad of 20001 attributes"):
        Ad.from_lines([b"A = 1"] * (MAX_ATTRIBUTES + 1))


@pytest.mark.parametrize("name", ["", " a", "a=b", "a\0", "a\n"])
def test_a_name_that_cannot_be_written_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no attribute's name"):
        Ad({name: 1})


@given(st.dictionaries(NAMES, VALUES, max_size=5))
def test_what_is_made_of_values_reads_back(values: dict[str, Value]) -> None:
    ad = Ad.from_lines(Ad(values).lines())
    by_name = {name.encode().lower(): value for name, value in values.items()}
    assert {name.encode().lower(): value for name, value in ad.items()} == by_name


@given(st.lists(LINES | st.binary(max_size=20)))
def test_any_lines_are_an_ad_or_the_peers_fault(lines: list[bytes]) -> None:
    try:
        ad = Ad.from_lines(lines)
    except ProtocolError:
        return
    assert Ad.from_lines(ad.lines()) == ad
    assert all(ad.text(name) is not None and name in ad for name in ad)


SECRET = ["Capability", "childclaimids", "ClaimId", "ClaimIdList", "CLAIMIDS", "TransferKey"]


@pytest.mark.parametrize("name", [*SECRET, "_condor_priv", "_CONDOR_PRIVClaim"])
def test_secrets_are_known_by_name(name: str) -> None:
    assert is_private(name)


@pytest.mark.parametrize("name", ["Name", "ClaimIdX", "condor_priv", "MyClaimId", ""])
def test_other_names_are_no_secrets(name: str) -> None:
    assert not is_private(name)


def test_a_security_ad_has_literals_only() -> None:
    good = [b'A = "x"', b"B = -3", b"C = 2.5", b"D = true", b"E = undefined"]
    assert read_security_ad(good * 20).lines() == good


@pytest.mark.parametrize(
    "line", [b"A = B", b"A = { 1 }", b"A = [ b = 1 ]", b"A = error", b"A = (1)", b"A = ", b"ZKM"]
)
def test_a_security_ad_with_more_is_refused(line: bytes) -> None:
    with pytest.raises(ProtocolError, match=r"no literal|no '='"):
        read_security_ad([b"B = 1", line])


def test_a_long_security_ad_is_refused() -> None:
    with pytest.raises(ProtocolError, match="101 attributes, more than 100"):
        read_security_ad([b"A = 1"] * 101)
