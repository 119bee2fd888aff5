"""Values are written and read as HTCondor's own code does: its bytes, both ways."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glasnost.condor.cedar.private import is_private_line
from glasnost.condor.cedar.values import (
    MAX_LINES,
    SECRET_MARKER,
    Incomplete,
    Reader,
    Version,
    Writer,
)
from glasnost.errors import GlasnostError, ProtocolError
from tests.condor.cedar.vectors import LINES, VERSION, cedar, frame_of

NUMBERS = ["int 12345", "int -2", "long 5000000000", "unsigned 4294967295", "short -7", "int 1"]
DOUBLES = ["0.0", "1.0", "1.5", "-0.1", "3.141592653589793", "1e300", "5e-324", "-2.5"]


def written(write: Callable[[Writer], None], encrypted: bool = False) -> bytes:
    writer = Writer(encrypted)
    write(writer)
    return writer.message()


def body(begin: str) -> bytes:
    return frame_of(begin)[5:]


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers(name: str) -> None:
    number = int(name.split()[1])
    assert written(lambda writer: writer.integer(number)) == body(name)
    assert Reader(body(name)).integer() == number


@pytest.mark.parametrize("name", DOUBLES)
def test_doubles_come_back_as_exactly_as_the_form_allows(name: str) -> None:
    number = float(name)
    assert written(lambda writer: writer.double(number)) == body(f"double {name}")
    found = Reader(body(f"double {name}")).double()
    # The smallest of all is half of a bit, and rounds to none.
    assert found == pytest.approx(number, rel=1e-9, abs=5e-324)


def test_a_number_of_all_64_bits_is_unsigned() -> None:
    assert written(lambda writer: writer.integer(2**64 - 1)) == b"\xff" * 8
    assert Reader(b"\xff" * 8).unsigned() == 2**64 - 1


@pytest.mark.parametrize(
    ("name", "text"),
    [("string hello", "hello"), ("empty string", ""), ("string with UTF-8", "\u00e9")],
)
def test_strings(name: str, text: str) -> None:
    data = body(name)[-len(text.encode()) - 1 :]
    assert written(lambda writer: writer.string(text)) == data
    assert Reader(data).string() == text


def test_no_string_is_a_byte_of_its_own() -> None:
    data = body("NULL passed to nullable")
    assert written(lambda writer: writer.nullable(None)) == data
    assert Reader(data).nullable() is None
    sealed = written(lambda writer: writer.nullable(None), encrypted=True)
    assert sealed == bytes(7) + b"\x01" + data
    assert Reader(sealed, encrypted=True).nullable() is None


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), st.booleans())
def test_any_text_comes_back(text: str, encrypted: bool) -> None:
    data = written(lambda writer: writer.nullable(text), encrypted)
    assert Reader(data, encrypted).nullable() == text


@given(st.binary().map(lambda data: data.replace(b"\0", b"")), st.booleans())
def test_bytes_that_are_no_text_come_back(data: bytes, encrypted: bool) -> None:
    if data[:1] == b"\xad" and not encrypted:
        return  # the marker of no string: refused, below
    message = written(lambda writer: writer.string(data), encrypted)
    text = Reader(message, encrypted).string()
    assert written(lambda writer: writer.string(text), encrypted) == message


@pytest.mark.parametrize("text", ["a\0b", b"\0", b"\xadx"])
def test_what_the_form_cannot_say_is_refused(text: str | bytes) -> None:
    with pytest.raises(GlasnostError, match="cannot be sent to HTCondor"):
        Writer().string(text)


# --- ads ---------------------------------------------------------------------------------------

ADS: list[tuple[str, list[bytes], Version | None, bool]] = [
    # what the vector says, lines written, version of the peer, the two types at its end
    ("ad, peer version unknown", LINES, None, True),
    ("same ad, private attributes excluded", LINES[:-2], None, True),
    ("same ad without the two trailing", LINES, None, False),
    ("same ad projected", LINES[:2], None, True),
    ("same ad, peer version known", LINES, VERSION, True),
]


@pytest.mark.parametrize(("name", "lines", "peer", "types"), ADS, ids=[case[0] for case in ADS])
def test_ads(name: str, lines: list[bytes], peer: Version | None, types: bool) -> None:
    writer = Writer(peer=peer)
    writer.ad(lines, types=types)
    assert writer.message() == body(name)
    reader = Reader(body(name))
    assert reader.ad(types=types) == (lines if peer else [x for x in lines if b"_priv" not in x])
    reader.end()


@given(st.lists(st.binary(min_size=1).map(lambda x: x.replace(b"\0", b"")), max_size=30))
def test_a_message_of_ads_is_read_in_whatever_parts_it_comes(lines: list[bytes]) -> None:
    lines = [line for line in lines if line and line != SECRET_MARKER and not is_private_line(line)]
    for encrypted in (False, True):
        writer = Writer(encrypted)
        writer.ad(lines)
        writer.integer(7)
        message = writer.message()
        reader = Reader(b"", encrypted, whole=False)
        for at in range(len(message)):
            with pytest.raises(Incomplete):
                (reader.ad(), reader.raw(8))
            reader.at = 0
            reader.feed(message[at : at + 1], whole=at == len(message) - 1)
        assert reader.ad() == lines
        assert reader.integer() == 7
        reader.end()


def test_an_ad_longer_than_what_is_looked_at_first() -> None:
    lines = [b"A%d = %d" % (n, n) for n in range(20_000)] + [b"Long = " + b"x" * 100_000]
    for encrypted in (False, True):
        writer = Writer(encrypted)
        writer.ad(lines)
        writer.integer(1)
        reader = Reader(writer.message(), encrypted)
        assert reader.ad() == lines
        assert reader.integer() == 1


@pytest.mark.parametrize("name", ["capability", "CLAIMIDS", "TransferKey", "_CONDOR_PRIVx"])
def test_private_attributes_are_known_in_any_case(name: str) -> None:
    line = f"{name} = 1".encode()
    writer = Writer()
    writer.ad([b"A = 1", line])
    assert (line in writer.message()) != name.startswith("_")
    assert writer.message().count(SECRET_MARKER) == (not name.startswith("_"))


def test_what_only_looks_private_is_not() -> None:
    line = b"NumClaimIds = 3"
    writer = Writer()
    writer.ad([line])
    assert SECRET_MARKER not in writer.message()
    assert Reader(writer.message()).ad() == [line]


BAD = [
    # what is wrong, message, encrypted
    ("cut within a number", bytes(5), False),
    ("fewer lines than said", bytes(7) + b"\x05a = 1\0\0\0", False),
    ("more lines than anybody has", (MAX_LINES + 1).to_bytes(8, "big"), False),
    ("a number of lines below none", b"\xff" * 8, False),
    ("a text without its end", bytes(7) + b"\x01" + bytes(7) + b"\x03abc", True),
    ("a text with an end within", bytes(7) + b"\x01" + bytes(7) + b"\x03\0b\0", True),
    ("a text of no byte", bytes(7) + b"\x01" + bytes(8), True),
    ("a text longer than any", bytes(7) + b"\x01" + bytes(4) + b"\x10" + bytes(3), True),
    ("a text that says more than there is", bytes(7) + b"\x01" + bytes(7) + b"\x09a\0", True),
    ("a marker and no secret", bytes(7) + b"\x01ZKM\0", False),
]


@pytest.mark.parametrize(
    ("message", "encrypted"), [case[1:] for case in BAD], ids=[c[0] for c in BAD]
)
def test_no_ad(message: bytes, encrypted: bool) -> None:
    with pytest.raises(ProtocolError):
        Reader(message, encrypted).ad()


def test_a_message_is_read_to_its_end() -> None:
    with pytest.raises(ProtocolError, match="8 bytes too many"):
        Reader(bytes(8)).end()


def test_a_double_beyond_all_is_refused() -> None:
    with pytest.raises(ProtocolError):
        Reader(bytes(7) + b"\x7f" + bytes(4) + b"\x7f\0\0\0").double()


def test_every_value_of_the_vectors_was_used() -> None:
    used = [*NUMBERS, *(f"double {name}" for name in DOUBLES), *(case[0] for case in ADS)]
    used += ["string hello", "empty string", "string with UTF-8", "NULL passed to nullable"]
    # A float is sent as a double, an ordinary null as an empty string; the packets: test_frames.
    used += ["float 0.5", "NULL passed to ordinary", "char A", "10001-byte", "packet"]
    for case in cedar()["clear_frames"]:
        assert any(case["value"].startswith(name) for name in used), case["value"]
