"""The record that the directory keeps of a name, as its owner signs it."""

from __future__ import annotations

import msgspec

from glasnost.errors import ProtocolError

#: The version of a record's layout. Directories of the version before keep it and pass it on, so
#: it stays for as long as they can read it.
RECORD_VERSION = 1

#: What owners write as ``protection`` and as ``relay``.
PROTECTIONS = ("sealed", "plain")
RELAYS = ("sealed", "any", "no")


class Record(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a name means. ``name`` in full; ``address`` the text of an address; ``reach`` texts of
    landings (None: unknown, empty: none); ``protection`` sealed or plain; ``relay`` sealed, any
    or no; ``not_after`` seconds since 1970."""

    name: str
    address: str
    reach: tuple[str, ...] | None = None
    labels: dict[str, str] = {}
    protection: str = "sealed"
    relay: str = "sealed"
    sequence: int = 0
    not_after: int = 0
    v: int = RECORD_VERSION


def may_be_relayed(protection: str, relay: str) -> bool:
    """Whether a broker may copy a service's streams: ``sealed`` lets it copy what it cannot read,
    ``any`` also a plain service's, ``no`` nothing. Requester and target both hold to it."""
    return relay == "any" or (relay == "sealed" and protection == "sealed")


class Signed(msgspec.Struct, frozen=True, omit_defaults=True):
    """A record's bytes as its owner wrote them, the owner's ECDSA-SHA256 signature over
    ``b"glasnost record 1\\0" + payload``, and the owner's node certificate (DER)."""

    payload: bytes
    signature: bytes
    certificate: bytes


_encoder = msgspec.msgpack.Encoder()
_records = msgspec.msgpack.Decoder(Record)


def encode_record(record: Record) -> bytes:
    """The payload that gets signed; it is kept and passed on as these bytes, never re-encoded."""
    return _encoder.encode(record)


class _RecordVersion(msgspec.Struct):
    v: int = 1


_record_versions = msgspec.msgpack.Decoder(_RecordVersion)


def decode_record(payload: bytes) -> Record:
    """Read a record's payload. Raises `ProtocolError`, also for a version that is not ours: its
    fields may mean something else."""
    try:
        version = _record_versions.decode(payload).v
        if version != RECORD_VERSION:
            raise ProtocolError(
                f"a record of version {version}, and only {RECORD_VERSION} is understood here"
            )
        return _records.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ProtocolError(f"unreadable record: {error}") from None
