"""Private keys: read back what was written, and nothing else."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from glasnost.errors import TrustError
from glasnost.trust.keys import (
    key_from_pem,
    key_to_pem,
    new_key,
    public_bytes,
    read_private,
    sign,
    verifies,
    write_private,
)


def test_a_key_survives_its_text() -> None:
    key = new_key()
    again = key_from_pem(key_to_pem(key))
    assert public_bytes(again.public_key()) == public_bytes(key.public_key())


@pytest.mark.parametrize("pem", [b"", b"no key", b"-----BEGIN PRIVATE KEY-----\nAAAA\n"])
def test_what_is_no_key_is_refused(pem: bytes) -> None:
    with pytest.raises(TrustError, match="no private key"):
        key_from_pem(pem)


def test_a_key_on_another_curve_is_refused() -> None:
    other = ec.generate_private_key(ec.SECP384R1())
    with pytest.raises(TrustError, match="P-256"):
        key_from_pem(key_to_pem(other))


def test_a_signature_holds_for_its_bytes_and_key_alone() -> None:
    key = new_key()
    signature = sign(key, b"one")
    assert verifies(key.public_key(), signature, b"one")
    assert not verifies(key.public_key(), signature, b"two")
    assert not verifies(new_key().public_key(), signature, b"one")
    assert not verifies(key.public_key(), b"no signature", b"one")


def test_private_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "state" / "node.key"
    previous = os.umask(0)
    try:
        write_private(path, b"first")
        write_private(path, b"second")
    finally:
        os.umask(previous)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert read_private(path) == b"second"
    assert os.listdir(path.parent) == ["node.key"]  # no temporary file stays


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "taken"
    path.mkdir()
    with pytest.raises(OSError, match="taken"):
        write_private(path, b"data")
    assert os.listdir(tmp_path) == ["taken"]


def test_a_private_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "node.key"
    write_private(path, b"secret")
    path.chmod(0o640)
    with pytest.raises(TrustError, match=r"0640.*chmod 600"):
        read_private(path)
