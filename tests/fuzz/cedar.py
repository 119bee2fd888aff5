"""Parsers of HTCondor's wire: packets, values, ads, sealed packets, datagrams."""

from __future__ import annotations

from hypothesis import strategies as st

from glasnost.condor.cedar.ciphers import AES, BLOWFISH, AesGcm, SessionKey, Transcript, protection
from glasnost.condor.cedar.datagrams import MAX_MESSAGE, Assembler, decode_datagram
from glasnost.condor.cedar.frames import MAX_BODY, Packets
from glasnost.condor.cedar.values import Reader, Writer
from glasnost.errors import ProtocolError
from tests.condor.cedar.vectors import AES_KEY, OLD_KEY, cedar
from tests.fuzz.parser import Parser, chunks, mutated

_CEDAR = "glasnost.condor.cedar"
FRAMES = [
    bytes.fromhex(case["frame"])
    for case in cedar()["clear_frames"] + cedar()["crypto_frames"]
    if "frame" in case
]
#: Messages, and a byte before each that says how its channel is protected.
MESSAGES = [b"\0" + frame[5:] for frame in FRAMES[:26]]
DATAGRAMS = [
    bytes.fromhex(text)
    for name, texts in cedar()["udp"].items()
    for text in ([texts["datagram"]] if isinstance(texts, dict) else texts)
]


def _sealed_ad() -> bytes:
    writer = Writer(encrypted=True)
    writer.ad([b'ClaimId = "x"', b"A = 1"])
    writer.nullable(None)
    return b"\1" + writer.message()


MESSAGES.append(_sealed_ad())


def check_packets(data: bytes) -> bool:
    """Packets in any pieces: bodies within their limit, and nothing lost behind them."""
    packets, taken = Packets(), 0
    try:
        for chunk in chunks(data):
            packets.feed(chunk)
            while (packet := packets.next()) is not None:
                assert 0 < len(packet[1]) <= MAX_BODY
                taken += sum(map(len, packet))
            assert 0 < packets.missing() <= MAX_BODY + 5
    except ProtocolError:
        return False
    assert data[taken:] == packets.rest
    return taken > 0


def check_ad(data: bytes) -> bool:
    """An ad, in clear (first byte even), encrypted, or with an idle key's secrets."""
    kind, message = data[0] if data else 0, data[1:]
    secret = protection(SessionKey(BLOWFISH, OLD_KEY), Transcript(), b"", False, True).secret(False)
    reader = Reader(message, kind % 2 == 1, secret if kind % 4 == 2 else None)
    try:
        lines = reader.ad()
    except ProtocolError:
        return False
    assert all(b"\0" not in line for line in lines)
    assert sum(map(len, lines)) <= len(message)
    return True


def check_values(data: bytes) -> bool:
    """Whatever is asked of a message, it answers with a value or says what is wrong."""
    asked, message = data[:8], data[8:]
    reader = Reader(message, encrypted=bool(len(data) % 2))
    reads = (reader.integer, reader.unsigned, reader.double, reader.string, reader.nullable)
    left = reader.left
    try:
        for kind in asked:
            reads[kind % len(reads)]()
            assert 0 <= reader.left < left
            left = reader.left
    except ProtocolError:
        return False
    return True


def check_sealed(data: bytes) -> bool:
    """A packet under each protection: what nobody sealed is not opened."""
    keys = (SessionKey(AES, AES_KEY), SessionKey(BLOWFISH, OLD_KEY))
    opened = 0
    for key in keys:
        for encrypt in (False, True):
            protected = protection(key, Transcript(), bytes(16), encrypt, True)
            if isinstance(protected, AesGcm):
                protected._vouch_received = b""  # as the vectors' socket
            head = 5 + protected.extra
            try:
                opened += len(protected.open(data[:head].ljust(head), data[head:])) > 0
            except ProtocolError as error:
                assert str(error)
    return opened > 0


def check_datagram(data: bytes) -> bool:
    try:
        message = decode_datagram(data)
    except ProtocolError:
        return False
    assert len(message.body) <= len(data)
    return True


def check_assembler(datagrams: list[bytes]) -> bool:
    """Datagrams in a row: what is held for them is counted, and given back."""
    assembler, whole = Assembler(), 0
    for number, datagram in enumerate(datagrams):
        try:
            message = assembler.feed(datagram, number % 2, number / 2)
        except ProtocolError:
            continue
        if message is not None:
            assert len(message.body) <= MAX_MESSAGE
            whole += 1
    assert assembler.held == sum(one.held for one in assembler._open.values())
    return whole > 0


PARSERS = [
    Parser(
        "packets of CEDAR",
        (f"{_CEDAR}.frames.decode_header",),
        check_packets,
        st.binary(max_size=60) | mutated(FRAMES),
        seeds=lambda: FRAMES,
    ),
    Parser(
        "ads of CEDAR",
        (f"{_CEDAR}.values.Reader._line", f"{_CEDAR}.values.Reader.integer"),
        check_ad,
        st.binary(max_size=60) | mutated(MESSAGES),
        seeds=lambda: [*MESSAGES, b"\2" + FRAMES[27][21:]],
    ),
    Parser(
        "values of CEDAR",
        tuple(f"{_CEDAR}.values.Reader.{name}" for name in ("integer", "unsigned", "string")),
        check_values,
        st.binary(max_size=60) | mutated([b"\0\1\2\3\4\3\3\3" + one[1:] for one in MESSAGES]),
        seeds=lambda: [b"\2" * 8 + bytes(128), *MESSAGES],
    ),
    Parser(
        "sealed packets of CEDAR",
        (f"{_CEDAR}.ciphers.AesGcm.open", f"{_CEDAR}.ciphers.Legacy.open"),
        check_sealed,
        st.binary(max_size=60) | mutated(FRAMES),
        seeds=lambda: FRAMES,
    ),
    Parser(
        "datagrams of CEDAR",
        (f"{_CEDAR}.datagrams.decode_datagram",),
        check_datagram,
        st.binary(max_size=60) | mutated(DATAGRAMS),
        seeds=lambda: DATAGRAMS,
    ),
    Parser(
        "fragments of CEDAR",
        (f"{_CEDAR}.datagrams.decode_fragment",),
        check_assembler,
        st.lists(mutated(DATAGRAMS), max_size=8),
        of=lambda data: [*DATAGRAMS[:5], data],
        seeds=lambda: DATAGRAMS,
    ),
]
