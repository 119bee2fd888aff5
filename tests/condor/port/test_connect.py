"""The header of HTCondor's shared port, against its vectors and its limits."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glasnost.condor.port.connect import (
    LEAST,
    MAX_PACKETS,
    Connect,
    head_size,
    is_web,
    read_connect,
)
from glasnost.errors import ProtocolError
from tests.condor.port.endpoints import VECTORS, connect_message

#: Seen from real tools (condor_status), a deadline of 60 seconds among them.
SEEN = bytes.fromhex(
    "0100000027000000000000004b636f6c6c6563746f7200544f4f4c00000000000000003c0000000000000000"
)


def message(body: bytes, *cuts: int) -> bytes:
    """A message of these bytes, in frames that end at ``cuts``."""
    ends = [*cuts, len(body)]
    parts = [body[begin:end] for begin, end in zip([0, *cuts], ends, strict=True)]
    return b"".join(
        struct.pack(">BI", number == len(parts), len(part)) + part
        for number, part in enumerate(parts, 1)
    )


def connect(id: bytes = b"x", client: bytes = b"", deadline: int = -1, *extra: bytes) -> bytes:
    texts = b"".join(text + b"\0" for text in extra)
    numbers = struct.pack(">qq", deadline, len(extra))
    return struct.pack(">q", 75) + id + b"\0" + client + b"\0" + numbers + texts


def test_what_htcondor_writes_is_read_and_written_alike() -> None:
    [(says, text)] = VECTORS["client_to_shared_port"].items()
    assert says == "SHARED_PORT_CONNECT id=pyend name=TOOL deadline=-1 more_args=0"
    data = bytes.fromhex(text)
    assert head_size(data) == len(data)
    assert read_connect(data) == Connect("pyend", "TOOL", -1)
    assert connect_message(Connect("pyend", "TOOL", -1)) == data


def test_what_was_seen_is_read() -> None:
    assert head_size(SEEN[:LEAST]) == head_size(SEEN + b"behind") == len(SEEN)
    assert read_connect(SEEN) == Connect("collector", "TOOL", 60)


OTHERS = [
    ("a raw query", message(struct.pack(">q", 48) + b"more")),
    ("DC_AUTHENTICATE", message(struct.pack(">q", 60010) + b"more")),
    ("DC_NOP, with nothing behind it", message(struct.pack(">q", 60011))),
    ("a page", b"GET / HTTP/1.0\r\n\r\n"),
    ("a page to come", b"DELETE /x HTTP/1.1\r\n"),
    ("TLS", bytes.fromhex("1603010200010001fc0303") + bytes(20)),
]


@pytest.mark.parametrize("data", [case[1] for case in OTHERS], ids=[case[0] for case in OTHERS])
def test_what_is_for_somebody_else_is_not_read(data: bytes) -> None:
    assert head_size(data) == head_size(data[:LEAST]) == 0
    assert is_web(data) == (data[0] > 1)


WRONG = [
    ("no frame at all", b"hello world, who is there?"),
    ("an end flag above 10", b"\x0b" + SEEN[1:]),
    ("an empty frame", b"\x01\0\0\0\0" + SEEN[5:]),
    ("a frame of more than 1 MiB", b"\x01\0\x10\0\x01" + SEEN[5:]),
    ("no room for a command", b"\x01\0\0\0\x07" + SEEN[5:]),
    ("a header that is too long", b"\x00\0\x01\0\0" + SEEN[5:]),
    ("a method without a blank", b"GETTING / HTTP"),
]


@pytest.mark.parametrize("data", [case[1] for case in WRONG], ids=[case[0] for case in WRONG])
def test_what_is_no_message_is_refused(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        head_size(data)


BODIES = [
    ("cut before its numbers", connect()[:-1], None),
    ("without a name", struct.pack(">q", 75) + b"x\0", None),
    ("the longest id and name", connect(b"i" * 1023, b"n" * 1023), "i" * 1023),
    ("an id that is too long", connect(b"i" * 1024), None),
    ("a name that is too long", connect(b"x", b"n" * 1024), None),
    ("a further text", connect(b"x", b"", 5, b"more"), "x"),
    ("a hundred of them", connect(b"x", b"", 5, *[b"m" * 511] * 100), "x"),
    ("a hundred and one", connect(b"x", b"", 5, *[b"m"] * 101), None),
    ("one that is too long", connect(b"x", b"", 5, b"m" * 512), None),
    ("fewer than announced", connect()[:-8] + struct.pack(">q", 2) + b"one\0", None),
    ("more than announced", connect() + b"one\0", None),
    ("fewer than none", connect()[:-8] + struct.pack(">q", -1), None),
    ("no text", connect(b"\xff\xfe"), "\ufffd\ufffd"),
]


@pytest.mark.parametrize(
    ("body", "id"), [case[1:] for case in BODIES], ids=[case[0] for case in BODIES]
)
def test_its_fields_have_htcondors_own_limits(body: bytes, id: str | None) -> None:
    cuts = range(4091, len(body), 4091)  # as HTCondor's sender frames what is long
    data = message(body, *cuts)
    assert head_size(data) == len(data)
    if id is None:
        with pytest.raises(ProtocolError):
            read_connect(data)
    else:
        assert read_connect(data).id == id


def test_it_comes_in_few_frames() -> None:
    body = connect(b"x" * 100)
    data = message(body, *range(8, 8 + MAX_PACKETS - 1))
    assert head_size(data) == len(data)
    assert read_connect(data).id == "x" * 100
    with pytest.raises(ProtocolError):
        head_size(message(body, *range(8, 8 + MAX_PACKETS)))


@given(
    st.text(st.characters(codec="ascii", exclude_characters="\0"), max_size=100),
    st.text(max_size=50).filter(lambda text: "\0" not in text),
    st.integers(-(2**63), 2**63 - 1),
    st.integers(0, 400),
    st.binary(max_size=20),
)
def test_as_many_bytes_as_are_there_say_how_many_there_are(
    id: str, client: str, deadline: int, cut: int, behind: bytes
) -> None:
    wanted = Connect(id, client, deadline)
    body = connect_message(wanted)[5:]
    data = message(body, *([cut] if 8 <= cut < len(body) else []))
    seen = LEAST
    while (size := head_size((data + behind)[:seen])) > seen:
        assert size <= len(data)
        seen = size
    assert head_size(data + behind) == len(data)
    assert read_connect(data) == wanted
