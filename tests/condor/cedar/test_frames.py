"""Messages are cut into packets, and packets found in whatever pieces they come."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glasnost.condor.cedar.frames import (
    HEADER,
    MAX_BODY,
    ORIGINAL_BODY,
    Packets,
    cut,
    decode_header,
)
from glasnost.errors import ProtocolError
from tests.condor.cedar.vectors import cedar


def test_a_long_message_is_cut_as_htcondor_cuts_it() -> None:
    expected = [
        (case["header"], case["body_length"])
        for case in cedar()["clear_frames"]
        if "header" in case
    ]
    message = b"x" * 10_000 + b"\0"
    found = [
        (HEADER.pack(last, len(body)).hex(), len(body))
        for last, body in cut(message, ORIGINAL_BODY)
    ]
    assert found == expected


def test_nothing_is_sent_of_an_empty_message() -> None:
    assert list(cut(b"")) == []


@given(st.binary(min_size=1, max_size=300), st.integers(1, 50))
def test_what_was_cut_is_whole_again(message: bytes, size: int) -> None:
    pieces = list(cut(message, size))
    assert b"".join(body for _, body in pieces) == message
    assert [last for last, _ in pieces] == [False] * (len(pieces) - 1) + [True]


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=6), st.integers(1, 30))
def test_packets_come_in_any_pieces(bodies: list[bytes], step: int) -> None:
    wire = b"".join(HEADER.pack(1, len(body)) + body for body in bodies) + b"\x01\0"
    packets, found = Packets(), []
    for at in range(0, len(wire), step):
        packets.feed(wire[at : at + step])
        while (packet := packets.next()) is not None:
            found.append(packet[1])
    assert found == bodies
    assert packets.rest == b"\x01\0"


@given(st.binary(min_size=1, max_size=40), st.sampled_from([0, 16]), st.binary(max_size=9))
def test_who_reads_what_is_missing_reads_nothing_behind(
    body: bytes, extra: int, behind: bytes
) -> None:
    wire = HEADER.pack(1, len(body)) + bytes(extra) + body + behind
    packets, at = Packets(), 0
    while (packet := packets.next(extra)) is None:
        missing = packets.missing(extra)
        packets.feed(wire[at : at + missing])
        at += missing
    assert packet[1] == body
    assert packets.rest == b""
    assert wire[at:] == behind


NO_PACKETS = [
    ("of no length", "0100000000"),
    ("longer than 1 MiB", "0100100001"),
    ("with another end flag", "0b00000001"),
    ("of TLS", "1603010200"),
    ("of HTTP", b"GET /".hex()),
]


@pytest.mark.parametrize("header", [case[1] for case in NO_PACKETS], ids=[c[0] for c in NO_PACKETS])
def test_no_packet(header: str) -> None:
    packets = Packets()
    packets.feed(bytes.fromhex(header))
    with pytest.raises(ProtocolError, match="no packet"):
        packets.next()
    with pytest.raises(ProtocolError, match=header):
        packets.missing()


@pytest.mark.parametrize("end", range(11))
def test_every_end_flag_but_0_is_the_last(end: int) -> None:
    assert decode_header(HEADER.pack(end, MAX_BODY)) == (end > 0, MAX_BODY)
