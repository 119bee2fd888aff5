"""Packets are protected as HTCondor's own code does it: its bytes, both ways."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glasnost.condor.cedar.ciphers import (
    AES,
    BLOWFISH,
    MAX_TRANSCRIPT,
    TRIPLE_DES,
    AesGcm,
    Clear,
    Legacy,
    Protection,
    SessionKey,
    Transcript,
    folded,
    protection,
)
from glasnost.condor.cedar.frames import HEADER
from glasnost.condor.cedar.values import Reader, Writer
from glasnost.errors import GlasnostError, ProtocolError
from tests.condor.cedar.vectors import AES_KEY, LINES, OLD_KEY, VERSION, cedar, frame_of


def packet(protected: Protection, message: bytes) -> bytes:
    return protected.seal(True, message)


def opened(protected: Protection, frame: bytes) -> bytes:
    head = HEADER.size + protected.extra
    return protected.open(frame[:head], frame[head:])


def values(encrypted: bool, number: int, text: str) -> bytes:
    writer = Writer(encrypted)
    writer.integer(number)
    writer.string(text)
    return writer.message()


def old(cipher: str, encrypt: bool, integrity: bool) -> Legacy:
    return Legacy(SessionKey(cipher, OLD_KEY), encrypt, integrity)


def test_md5_sums() -> None:
    frame = frame_of("MD5 MAC, key")
    protected = old(BLOWFISH, encrypt=False, integrity=True)
    assert packet(protected, values(False, 7, "md5 mode")) == frame
    assert opened(protected, frame) == values(False, 7, "md5 mode")


def test_secrets_are_enciphered_by_a_key_that_is_idle_else() -> None:
    frame = frame_of("MD5 MAC, an ad")
    protected = old(BLOWFISH, encrypt=False, integrity=True)
    writer = Writer(peer=VERSION, secret=protected.secret(encrypt=True))
    writer.ad(LINES)
    assert packet(protected, writer.message()) == frame
    assert b"topsecret" not in frame
    reader = Reader(opened(protected, frame), secret=protected.secret(encrypt=False))
    assert reader.ad() == LINES
    reader.end()


@pytest.mark.parametrize(
    ("cipher", "name", "text"),
    [(BLOWFISH, "Blowfish CFB64", "blowfish"), (TRIPLE_DES, "3DES CFB64", "3des")],
)
def test_the_old_ciphers(cipher: str, name: str, text: str) -> None:
    protected = old(cipher, encrypt=True, integrity=False)
    for _ in range(2):  # each message begins anew
        assert packet(protected, values(True, 7, text)) == frame_of(name)
        assert opened(protected, frame_of(name)) == values(True, 7, text)


def test_a_second_message_begins_anew() -> None:
    protected = old(BLOWFISH, encrypt=True, integrity=False)
    packet(protected, b"before")
    assert packet(protected, (8).to_bytes(8, "big")) == frame_of("Blowfish, int 8")


@given(st.sampled_from([BLOWFISH, TRIPLE_DES]), st.booleans(), st.lists(st.binary(min_size=1)))
def test_within_a_message_a_cipher_runs_on(cipher: str, mac: bool, bodies: list[bytes]) -> None:
    ours, theirs = old(cipher, True, mac), old(cipher, True, mac)
    whole = old(cipher, True, mac).seal(True, b"".join(bodies)) if bodies else b""
    sealed = b""
    for at, body in enumerate(bodies):
        frame = ours.seal(at == len(bodies) - 1, body)
        assert opened(theirs, frame) == body
        sealed += frame[5 + ours.extra :]
    assert sealed == whole[5 + ours.extra :]


def aes_messages() -> list[tuple[str, bytes]]:
    nothing, ad = Writer(encrypted=True), Writer(encrypted=True, peer=VERSION)
    nothing.nullable(None)
    ad.ad(LINES)
    text = Writer(encrypted=True)
    text.string("aes two")
    return [
        ("AES-256-GCM", values(True, 7, "aes one")),
        ("AES packet 1", text.message()),
        ("AES packet 2", nothing.message()),
        ("AES packet 3", ad.message()),
    ]


def test_aes() -> None:
    """The vectors' socket had forgotten what was said in clear, and sealed the header alone."""
    iv = frame_of("AES-256-GCM")[5:21]
    sender, receiver = (AesGcm(AES_KEY, Transcript(), iv) for _ in range(2))
    for aes in (sender, receiver):
        aes._vouch_sent = aes._vouch_received = b""
    for name, message in aes_messages():
        assert packet(sender, message) == frame_of(name)
        assert opened(receiver, frame_of(name)) == message


@given(st.lists(st.tuples(st.booleans(), st.binary(min_size=1, max_size=50)), max_size=8))
def test_the_first_packets_vouch_for_all_that_was_clear(said: list[tuple[bool, bytes]]) -> None:
    ours, theirs = Transcript(), Transcript()
    for by_us, body in said:
        sender, receiver = (ours, theirs) if by_us else (theirs, ours)
        frame = Clear(sender).seal(True, body)
        assert opened(Clear(receiver), frame) == body
    one, two = AesGcm(AES_KEY, ours, b"i" * 16), AesGcm(AES_KEY, theirs, b"j" * 16)
    for body in (b"first", b"second"):
        assert opened(two, one.seal(True, body)) == body
        assert opened(one, two.seal(False, body)) == body
    if said:
        theirs.sent.add(b"tampered with")
        with pytest.raises(ProtocolError, match="not sealed"):
            opened(
                AesGcm(AES_KEY, theirs, b"j" * 16),
                AesGcm(AES_KEY, ours, b"i" * 16).seal(True, b"x"),
            )


def test_digests_are_of_packets_with_their_headers_and_zeroes_without_any() -> None:
    transcript = Transcript()
    assert transcript.sent.value() == bytes(32)
    frame = Clear(transcript).seal(True, b"body")
    assert transcript.sent.value() == hashlib.sha256(frame).digest()
    transcript.forget()
    assert transcript.sent.value() == bytes(32)


def test_a_long_talk_in_clear_is_hashed_to_a_limit() -> None:
    transcript = Transcript()
    transcript.received.add(bytes(MAX_TRANSCRIPT))
    before = transcript.received.value()
    transcript.received.add(b"more")
    assert transcript.received.value() == before != bytes(32)


def test_the_iv_counts_in_its_first_four_bytes_around_their_end() -> None:
    ours, theirs = (AesGcm(AES_KEY, Transcript(), b"\xff" * 16) for _ in range(2))
    frames = [ours.seal(True, b"x") for _ in range(3)]
    assert [opened(theirs, frame) for frame in frames] == [b"x"] * 3
    with pytest.raises(ProtocolError):
        opened(theirs, frames[1])  # a packet again


def test_a_count_ends_before_it_would_repeat() -> None:
    aes = AesGcm(AES_KEY, Transcript(), bytes(16))
    aes._sent = 2**32 - 2
    aes.seal(True, b"x")
    with pytest.raises(ProtocolError, match="new connection"):
        aes.seal(True, b"x")


@pytest.mark.parametrize("body", [b"", b"x" * 16, b"x" * 31])
def test_a_packet_too_short_to_be_sealed(body: bytes) -> None:
    with pytest.raises(ProtocolError, match="too short"):
        AesGcm(AES_KEY, Transcript(), bytes(16)).open(HEADER.pack(1, len(body)), body)


@pytest.mark.parametrize("at", [0, 6, 20])
def test_a_changed_byte_is_seen_by_the_sum(at: int) -> None:
    frame = bytearray(frame_of("MD5 MAC, key"))
    frame[5 + at] ^= 1
    with pytest.raises(ProtocolError, match="sum"):
        opened(old(BLOWFISH, encrypt=False, integrity=True), bytes(frame))


def test_keys_of_3des_are_folded_or_repeated_to_their_size() -> None:
    assert folded(b"ab" * 5) == (b"ab" * 12)
    assert folded(bytes(range(26))) == bytes([0 ^ 24, 1 ^ 25, *range(2, 24)])


def test_aes_protects_whatever_was_said_and_others_what_was_agreed() -> None:
    aes = protection(SessionKey(AES, AES_KEY), Transcript(), bytes(16), False, False)
    assert aes.encrypted
    clear = protection(SessionKey(TRIPLE_DES, OLD_KEY), Transcript(), b"", False, True)
    assert (clear.encrypted, clear.extra) == (False, 16)


def test_keys_and_ciphers_that_are_none() -> None:
    with pytest.raises(ProtocolError, match="31 bytes"):
        SessionKey(AES, bytes(31))
    with pytest.raises(GlasnostError, match="ROT13"):
        SessionKey("ROT13", OLD_KEY)
    assert OLD_KEY.hex() not in repr(SessionKey(BLOWFISH, OLD_KEY))


def test_every_packet_of_the_vectors_was_used() -> None:
    used = ["MD5 MAC", "Blowfish", "3DES", "AES-256-GCM", "AES packet"]
    assert len(cedar()["crypto_frames"]) == 9
    for case in cedar()["crypto_frames"]:
        assert any(case["mode"].startswith(name) for name in used)
