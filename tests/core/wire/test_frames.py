"""Frames: whole, one byte at a time, many at once, and too long."""

from __future__ import annotations

import pytest

from glasnost.core.wire.frames import MAX_FRAME, FrameReader, encode_frame
from glasnost.errors import ProtocolError

BODIES = [b"", b"a", bytes(300), b"last"]
STREAM = b"".join(map(encode_frame, BODIES))


def test_a_frame_is_its_length_and_its_body() -> None:
    assert encode_frame(b"abc") == b"\0\0\0\x03abc"


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, len(STREAM)])
def test_frames_come_whole_however_they_are_cut(size: int) -> None:
    reader = FrameReader()
    found = [
        body for at in range(0, len(STREAM), size) for body in reader.feed(STREAM[at : at + size])
    ]
    assert found == BODIES
    assert reader.pending == 0


def test_what_is_not_whole_waits() -> None:
    reader = FrameReader()
    assert reader.feed(encode_frame(b"one") + b"\0\0\0\x05ab") == [b"one"]
    assert reader.pending == 6
    assert reader.feed(b"cde") == [b"abcde"]


def test_a_frame_over_the_limit_is_refused_at_its_length() -> None:
    reader = FrameReader(limit=10)
    assert reader.feed(encode_frame(bytes(10))) == [bytes(10)]
    with pytest.raises(ProtocolError, match="11 bytes exceeds the limit 10"):
        reader.feed(b"\0\0\0\x0b")
    with pytest.raises(ProtocolError, match="4294967295 bytes"):
        FrameReader().feed(b"\xff\xff\xff\xff")


def test_our_own_frames_hold_the_limit() -> None:
    assert len(encode_frame(bytes(MAX_FRAME))) == MAX_FRAME + 4
    with pytest.raises(AssertionError, match="our own limit"):
        encode_frame(bytes(MAX_FRAME + 1))
