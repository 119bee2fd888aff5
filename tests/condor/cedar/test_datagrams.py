"""Datagrams: HTCondor's own, put together in any order, and within limits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glasnost.condor.cedar.ciphers import AES, BLOWFISH, SessionKey
from glasnost.condor.cedar.datagrams import (
    MAX_MESSAGE,
    MAX_OPEN,
    PATIENCE,
    Assembler,
    Datagram,
    decode_datagram,
    fragments,
    sealed,
)
from glasnost.condor.cedar.values import Reader
from glasnost.errors import ProtocolError
from tests.condor.cedar.vectors import AES_KEY, cedar

ID = b"identity of "


def udp(name: str) -> list[bytes]:
    return [bytes.fromhex(text) for text in cedar()["udp"][name]]


def assembled(datagrams: list[bytes]) -> list[Datagram]:
    assembler = Assembler()
    found = [assembler.feed(datagram, "peer", 0.0) for datagram in datagrams]
    assert assembler.held == 0
    return [message for message in found if message is not None]


def test_a_short_update_and_the_nop_behind_it() -> None:
    update, nop = assembled(udp("short_raw_update"))
    reader = Reader(update.body)
    assert reader.integer() == 1
    assert b'Name = "n1"' in reader.ad()
    reader.end()
    assert Reader(nop.body).integer() == 60011


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_fragments_in_any_order(order: tuple[int, ...]) -> None:
    pieces = udp("fragmented_raw_update_mtu1000")[:3]
    [update] = assembled([pieces[at] for at in order])
    reader = Reader(update.body)
    assert reader.integer() == 1
    assert len(reader.ad()) == 5
    reader.end()
    assert fragments(update.body, pieces[0][13:25]) == pieces


def test_a_session_that_enciphers_nothing_is_in_the_ad_before() -> None:
    message, _ = assembled(udp("session_no_encryption"))
    reader = Reader(message.body)
    assert reader.integer() == 60010
    assert b"AuthCommand = 1" in reader.ad()
    reader.ad()
    reader.end()


def test_a_session_of_aes_lends_its_key_to_blowfish() -> None:
    case = cedar()["udp"]["session_encrypted_blowfish"]
    datagram = bytes.fromhex(case["datagram"])
    lent = bytes.fromhex(case["blowfish_key_first24_of_session_key"])
    [message] = assembled([datagram])
    for key in (SessionKey(AES, lent + bytes(8)), SessionKey(BLOWFISH, lent)):
        assert message.opened(key).hex() == case["plaintext"]
        assert sealed(message.opened(key), message.session, key) == datagram


@given(st.binary(min_size=8, max_size=400), st.integers(26, 90), st.randoms())
def test_what_was_cut_is_whole_again(message: bytes, size: int, chance: object) -> None:
    whole = decode_datagram(sealed(message, "s:1", SessionKey(AES, AES_KEY)))
    assert (whole.session, whole.opened(SessionKey(AES, AES_KEY))) == ("s:1", message)
    pieces = fragments(message, ID, size)
    chance.shuffle(pieces)  # type: ignore[attr-defined]
    if message[:4] != b"CRAP" and message[:8] != b"MaGic6.0":
        assert assembled(pieces + pieces[:0]) == [Datagram(message)]


def test_a_fragment_that_comes_twice_counts_once() -> None:
    one, two, three = fragments(bytes(60), ID, 50)
    assert assembled([one, one, three, three, two]) == [Datagram(bytes(60))]


def test_senders_are_apart_whatever_they_call_their_messages() -> None:
    one, two, three = fragments(b"x" * 60, ID, 50)
    assembler = Assembler()
    assert assembler.feed(one, "peer", 0.0) is None
    assert assembler.feed(two, "other", 0.0) is None
    assert assembler.feed(two, "peer", 0.0) is None
    assert assembler.feed(three, "peer", 0.0) == Datagram(b"x" * 60)


def test_who_sends_half_a_message_is_forgotten() -> None:
    one, two, three = fragments(b"x" * 60, ID, 50)
    assembler = Assembler()
    assembler.feed(one, "peer", 0.0)
    assembler.feed(three, "peer", 0.0)
    assembler.feed(one, "third", PATIENCE + 1)
    assert assembler.feed(two, "peer", PATIENCE + 1) is None
    assert len(assembler._open) == 2


def test_a_flood_of_halves_holds_no_more_than_its_limit() -> None:
    assembler = Assembler()
    for number in range(MAX_OPEN * 3):
        assembler.feed(fragments(b"x" * 60, b"%012d" % number, 50)[0], "peer", 0.0)
        assert len(assembler._open) <= MAX_OPEN
    pieces = fragments(bytes(MAX_MESSAGE * 2), ID, 60_000)
    enough = MAX_MESSAGE // 60_000
    for piece in pieces[:enough]:
        assembler.feed(piece, "peer", 0.0)
    with pytest.raises(ProtocolError, match="more than"):
        assembler.feed(pieces[enough], "peer", 0.0)
    assert assembler.held == sum(message.held for message in assembler._open.values())


BAD = [
    ("too short", b"short"),
    ("a fragment of nothing", b"MaGic6.0\x01" + bytes(16)),
    ("a fragment that says more", b"MaGic6.0\x01\0\0\0\x09" + ID + b"x"),
    ("security cut short", b"CRAP\0\x02\0\0"),
    ("security longer than it", b"CRAP\0\x02\0\0\0\x09abc"),
    ("a sum", b"CRAP\0\x01\0\x01\0\0a" + bytes(16) + b"message"),
]


@pytest.mark.parametrize("datagram", [case[1] for case in BAD], ids=[case[0] for case in BAD])
def test_no_datagram(datagram: bytes) -> None:
    with pytest.raises(ProtocolError):
        Assembler().feed(datagram, "peer", 0.0)


def test_a_fragment_behind_the_last() -> None:
    pieces = fragments(bytes(75), ID, 50)
    last_but_one = pieces[1][:8] + b"\x01" + pieces[1][9:]
    assembler = Assembler()
    assembler.feed(pieces[2], "peer", 0.0)
    with pytest.raises(ProtocolError, match="behind the last"):
        assembler.feed(last_but_one, "peer", 0.0)
