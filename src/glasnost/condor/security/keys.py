"""Keys of sessions: agreed on by Diffie-Hellman over P-256, or sent, wrapped by a secret."""

from __future__ import annotations

from typing import Final, Protocol

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from glasnost.condor.cedar.ciphers import KEY_SIZES, TRIPLE_DES, SessionKey, cfb
from glasnost.errors import ProtocolError

#: An uncompressed point: 04, then both coordinates.
POINT_SIZE: Final = 65
_CURVE: Final = ec.SECP256R1()
_SALT: Final = b"htcondor"


class Exchange(Protocol):
    """One side of a Diffie-Hellman exchange."""

    point: bytes

    def shared(self, peer: bytes) -> bytes:
        """The x coordinate that both sides compute. Raises `ProtocolError` for no point."""


class DrawnExchange:
    """One side, with a new private key."""

    def __init__(self) -> None:
        self._private = ec.generate_private_key(_CURVE)
        self.point = self._private.public_key().public_bytes(
            Encoding.X962, PublicFormat.UncompressedPoint
        )

    def shared(self, peer: bytes) -> bytes:
        try:
            public = ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, peer)
        except ValueError:
            raise ProtocolError("a public key that is no point of P-256") from None
        return self._private.exchange(ec.ECDH(), public)


def session_key(shared: bytes, cipher: str) -> SessionKey:
    """The session's key from what an exchange gave."""
    return SessionKey(cipher, hkdf(shared, _SALT, b"keygen", KEY_SIZES[cipher]))


def hkdf(material: bytes, salt: bytes, info: bytes, size: int = 32) -> bytes:
    return HKDF(algorithm=SHA256(), length=size, salt=salt, info=info).derive(material)


def wrapped(key: bytes, secret: bytes | None) -> bytes:
    """A key as it is sent: enciphered by what a method has agreed on, or as it is."""
    return key if secret is None else cfb(SessionKey(TRIPLE_DES, secret), encrypt=True)(key)


def unwrapped(data: bytes, secret: bytes | None) -> bytes:
    return data if secret is None else cfb(SessionKey(TRIPLE_DES, secret), encrypt=False)(data)
