"""Records: a node vouches for its own names, and for no others."""

from __future__ import annotations

import contextlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glasnost.core.wire.messages import Record, Signed, encode_record
from glasnost.errors import ProtocolError, TrustError
from glasnost.trust import checks, records
from glasnost.trust.keys import new_key, sign
from glasnost.trust.records import Verifier, sign_record
from tests.trust.pool import DAY, DOMAIN, Pool

NOW = 1_800_000_000.0
POOL = Pool(NOW)
NODE = POOL.node("node7")
RECORD = Record(
    name=f"web.node7.{DOMAIN}",
    address="public/ip4:203.0.113.9:9618/service:web",
    reach=("ip4@public",),
    sequence=7,
    not_after=int(NOW) + 3600,
)
SIGNED = sign_record(RECORD, NODE.key, NODE.cert)


def verifier() -> Verifier:
    return Verifier(POOL.root, DOMAIN)


def test_a_signed_record_is_read_again() -> None:
    check = verifier()
    assert check.verify(SIGNED, NOW) == RECORD
    assert check.verify(SIGNED, NOW) == RECORD  # and from what it remembers


def test_a_field_of_a_later_version_is_kept_and_signed() -> None:
    payload = msgspec.msgpack.encode(
        {**msgspec.msgpack.decode(encode_record(RECORD)), "news": "from the future"}
    )
    signed = Signed(payload, sign(NODE.key, b"glasnost record 1\0" + payload), SIGNED.certificate)
    assert verifier().verify(signed, NOW) == RECORD


@pytest.mark.parametrize(
    "name",
    [
        f"web.node8.{DOMAIN}",
        f"node7.{DOMAIN}",
        f"a.web.node7.{DOMAIN}",
        f"*.node7.{DOMAIN}",
        f"Web.node7.{DOMAIN}",
        "web.node7",
        "",
    ],
)
def test_a_node_may_not_speak_for(name: str) -> None:
    signed = sign_record(msgspec.structs.replace(RECORD, name=name), NODE.key, NODE.cert)
    with pytest.raises(TrustError, match="may not speak for"):
        verifier().verify(signed, NOW)


def test_another_nodes_certificate_does_not_help() -> None:
    other = POOL.node("node8")
    stolen = Signed(SIGNED.payload, SIGNED.signature, checks.to_der(other.cert))
    with pytest.raises(TrustError, match=f"not signed by node8.{DOMAIN}"):
        verifier().verify(stolen, NOW)


def test_a_stranger_is_refused() -> None:
    key = new_key()
    signed = sign_record(RECORD, key, Pool(NOW).node("node7").cert)
    with pytest.raises(TrustError, match="not issued by this pool"):
        verifier().verify(signed, NOW)


def test_a_signature_for_another_purpose_is_none() -> None:
    payload = encode_record(RECORD)
    signed = Signed(payload, sign(NODE.key, payload), SIGNED.certificate)
    with pytest.raises(TrustError, match="not signed by"):
        verifier().verify(signed, NOW)


def test_records_and_certificates_end() -> None:
    check = verifier()
    assert check.verify(SIGNED, NOW + 3600) == RECORD
    with pytest.raises(TrustError, match=r"record of web\.node7.* has expired"):
        check.verify(SIGNED, NOW + 3601)
    for asked in (check, verifier()):  # remembered or not
        with pytest.raises(TrustError, match="certificate has expired"):
            asked.verify(SIGNED, NOW + 8 * DAY)


def test_a_record_of_a_later_major_version_is_not_understood() -> None:
    signed = sign_record(msgspec.structs.replace(RECORD, v=2), NODE.key, NODE.cert)
    with pytest.raises(ProtocolError, match="version 2"):
        verifier().verify(signed, NOW)


def test_what_a_verifier_remembers_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "_REMEMBERED", 2)
    check = verifier()
    for name in ("node1", "node2", "node3"):
        node = POOL.node(name)
        record = msgspec.structs.replace(RECORD, name=f"web.{name}.{DOMAIN}")
        check.verify(sign_record(record, node.key, node.cert), NOW)
    assert len(check._owners) == 2


@given(st.builds(Signed, st.binary(), st.binary(), st.binary()))
def test_any_bytes_are_untrusted(signed: Signed) -> None:
    with pytest.raises((TrustError, ProtocolError)):
        verifier().verify(signed, NOW)


@given(st.binary())
def test_any_payload_that_a_member_signs_is_a_record_or_refused(payload: bytes) -> None:
    signature = sign(NODE.key, b"glasnost record 1\0" + payload)
    with pytest.raises((TrustError, ProtocolError)):
        verifier().verify(Signed(payload, signature, SIGNED.certificate), NOW)


@given(st.integers(0, 2), st.integers(0, 10_000), st.integers(1, 255))
def test_no_byte_may_change(field: int, at: int, flip: int) -> None:
    parts = [bytearray(SIGNED.payload), bytearray(SIGNED.signature), bytearray(SIGNED.certificate)]
    parts[field][at % len(parts[field])] ^= flip
    # One byte of a certificate says nothing (see test_certificates): then nothing has changed.
    with contextlib.suppress(TrustError, ProtocolError):
        assert verifier().verify(Signed(*map(bytes, parts)), NOW) == RECORD
