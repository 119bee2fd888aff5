"""Private keys: making, keeping and using them. Always ECDSA on P-256."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from glasnost.errors import TrustError

_SHA256 = ec.ECDSA(hashes.SHA256())


def new_key() -> ec.EllipticCurvePrivateKey:
    """A fresh key. P-256: every TLS library has it, and it signs 20 times as fast as RSA 2048."""
    return ec.generate_private_key(ec.SECP256R1())


def key_to_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """PKCS#8 without a password: the file's permissions guard it."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def key_from_pem(pem: bytes) -> ec.EllipticCurvePrivateKey:
    """Read what `key_to_pem` wrote. Raises `TrustError`."""
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise TrustError("this is no private key in PEM without a password") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not _is_ours(key.public_key()):
        raise TrustError("this private key is not on the curve P-256")
    return key


def public_bytes(key: ec.EllipticCurvePublicKey) -> bytes:
    """SubjectPublicKeyInfo in DER: equal bytes, equal keys."""
    return key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def p256(key: object) -> ec.EllipticCurvePublicKey:
    """This public key, if it is of the one kind we use. Raises `TrustError`."""
    if not isinstance(key, ec.EllipticCurvePublicKey) or not _is_ours(key):
        raise TrustError("the public key is not on the curve P-256")
    return key


def sign(key: ec.EllipticCurvePrivateKey, data: bytes) -> bytes:
    """ECDSA-SHA256, in DER."""
    return key.sign(data, _SHA256)


def verifies(key: ec.EllipticCurvePublicKey, signature: bytes, data: bytes) -> bool:
    """Did the owner of this key sign these bytes?"""
    try:
        key.verify(signature, data, _SHA256)
    except InvalidSignature:
        return False
    return True


def write_private(path: Path, data: bytes) -> None:
    """Write a file that only its owner may read (0600), whole or not at all.

    A missing directory is made, for the owner alone (0700); one that exists is left as it is.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def read_private(path: Path) -> bytes:
    """Read a private file; one that others may read is not private, and refused (`TrustError`)."""
    with path.open("rb") as file:
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        if mode & 0o077:
            raise TrustError(f"{path} may be read by others (mode {mode:04o}): chmod 600 it")
        return file.read()


def _is_ours(key: ec.EllipticCurvePublicKey) -> bool:
    return isinstance(key.curve, ec.SECP256R1)
