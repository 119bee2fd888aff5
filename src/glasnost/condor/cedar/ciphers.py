"""What protects the packets of one connection: nothing, AES, or the two old ciphers and MD5.

Each `Protection` turns bodies into packets and back, and says how strings are written under it.
AES-256-GCM is what sessions use today: each packet is sealed with its header, and the first one
each way also with digests of all that was sent in clear before, so that a negotiation that was
tampered with does not end in a conversation. The others are for peers that have no AES.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from typing import Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.decrepit.ciphers.algorithms import Blowfish, TripleDES
from cryptography.hazmat.decrepit.ciphers.modes import CFB
from cryptography.hazmat.primitives.ciphers import Cipher as BlockCipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from glasnost.condor.cedar.frames import HEADER
from glasnost.condor.cedar.values import Cipher
from glasnost.errors import GlasnostError, ProtocolError

AES: Final = "AES"
BLOWFISH: Final = "BLOWFISH"
TRIPLE_DES: Final = "3DES"

#: Bytes of key that a session of each cipher has.
KEY_SIZES: Final = {AES: 32, BLOWFISH: 24, TRIPLE_DES: 24}
#: HTCondor's; 12 would be usual for GCM.
IV_SIZE: Final = 16
TAG_SIZE: Final = 16
MAC_SIZE: Final = 16
#: Of clear traffic, HTCondor hashes so much; a long conversation in clear costs no more.
MAX_TRANSCRIPT: Final = 1 << 20

_MAX_COUNT: Final = 2**32 - 1
_NO_DIGEST: Final = bytes(32)


@dataclass(frozen=True)
class SessionKey:
    """The key of a session, and the cipher that it is for."""

    cipher: str
    key: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if self.cipher not in KEY_SIZES:
            raise GlasnostError(f"{self.cipher!r} is none of HTCondor's ciphers")
        # The old ciphers are given keys of any length in places; AES is not.
        if not self.key or (self.cipher == AES and len(self.key) != KEY_SIZES[AES]):
            raise ProtocolError(f"a key of {len(self.key)} bytes for {self.cipher}")


class Transcript:
    """What went over a connection in clear, each way, as the first sealed packet vouches for it."""

    def __init__(self) -> None:
        self.sent = Digest()
        self.received = Digest()

    def forget(self) -> None:
        """What went before belongs to somebody else: a shared port, a broker's hello."""
        self.sent = Digest()
        self.received = Digest()


class Digest:
    """SHA-256 of all packets one way; zeroes where there were none."""

    __slots__ = ("_hash", "_room")

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._room = MAX_TRANSCRIPT

    def add(self, packet: bytes) -> None:
        if self._room > 0:
            self._hash.update(packet)
            self._room -= len(packet)

    def value(self) -> bytes:
        return self._hash.digest() if self._room < MAX_TRANSCRIPT else _NO_DIGEST


class Protection(Protocol):
    """What stands between a message and the bytes on the wire."""

    #: Bytes that each header has beyond those of `frames`.
    extra: int
    #: Strings carry their length.
    encrypted: bool

    def seal(self, last: bool, body: bytes) -> bytes:
        """A packet."""

    def open(self, header: bytes, body: bytes) -> bytes:
        """A packet's body, in clear. Raises `ProtocolError` where it is not what was sent."""

    def secret(self, encrypt: bool) -> Cipher | None:
        """What enciphers (or deciphers) the secrets of one message, where a key is idle."""


class Clear:
    """No key: packets go as they are, and into the transcript."""

    extra = 0
    encrypted = False

    def __init__(self, transcript: Transcript) -> None:
        self.transcript = transcript

    def seal(self, last: bool, body: bytes) -> bytes:
        packet = HEADER.pack(last, len(body)) + body
        self.transcript.sent.add(packet)
        return packet

    def open(self, header: bytes, body: bytes) -> bytes:
        self.transcript.received.add(header)
        self.transcript.received.add(body)
        return body

    def secret(self, encrypt: bool) -> Cipher | None:
        return None


class AesGcm:
    """AES-256-GCM. Each way has a base IV, which its sender draws and its first packet carries,
    and a count that is added to its first four bytes."""

    extra = 0
    encrypted = True

    def __init__(self, key: bytes, transcript: Transcript, iv: bytes) -> None:
        self._cipher = AESGCM(key)
        sent, received = transcript.sent.value(), transcript.received.value()
        self._iv = iv
        self._sent = 0
        self._vouch_sent = sent + received
        self._peer_iv = b""
        self._received = 0
        self._vouch_received = received + sent

    def seal(self, last: bool, body: bytes) -> bytes:
        first = self._sent == 0
        size = len(body) + TAG_SIZE + (IV_SIZE if first else 0)
        header = HEADER.pack(last, size)
        vouch = self._vouch_sent + header if first else header
        sealed = self._cipher.encrypt(_counted(self._iv, self._sent), body, vouch)
        self._sent += 1
        return header + self._iv + sealed if first else header + sealed

    def open(self, header: bytes, body: bytes) -> bytes:
        vouch = header
        if self._received == 0:
            self._peer_iv, body = body[:IV_SIZE], body[IV_SIZE:]
            vouch = self._vouch_received + header
        if len(body) < TAG_SIZE:
            raise ProtocolError("a packet too short to be sealed")
        try:
            opened = self._cipher.decrypt(_counted(self._peer_iv, self._received), body, vouch)
        except InvalidTag:
            raise ProtocolError("a packet that this session's key has not sealed") from None
        self._received += 1
        return opened

    def secret(self, encrypt: bool) -> Cipher | None:
        return None


def _counted(iv: bytes, count: int) -> bytes:
    if not count:
        return iv
    if count >= _MAX_COUNT:
        raise ProtocolError("more packets than one key may seal; a new connection is needed")
    begin = (int.from_bytes(iv[:4], "big") + count) & 0xFFFFFFFF
    return begin.to_bytes(4, "big") + iv[4:]


class Legacy:
    """BLOWFISH or 3DES, MD5, both or neither: what a negotiation may switch on without AES.

    The cipher begins anew with every message, each way. Where it is not switched on it enciphers
    secrets only, and those continue one stream within a message.
    """

    def __init__(self, key: SessionKey, encrypt: bool, integrity: bool) -> None:
        self._key = key
        self._mac = integrity
        self.extra = MAC_SIZE if integrity else 0
        self.encrypted = encrypt
        self._seal = self._open = None  # type: Cipher | None

    def seal(self, last: bool, body: bytes) -> bytes:
        if self.encrypted:
            self._seal = self._seal or cfb(self._key, encrypt=True)
            body = self._seal(body)
            if last:
                self._seal = None
        header = HEADER.pack(last, len(body))
        return header + self._md5(body) + body if self._mac else header + body

    def open(self, header: bytes, body: bytes) -> bytes:
        if self._mac and not hmac.compare_digest(header[HEADER.size :], self._md5(body)):
            raise ProtocolError("a packet whose sum is not that of this session's key")
        if not self.encrypted:
            return body
        self._open = self._open or cfb(self._key, encrypt=False)
        opened = self._open(body)
        if header[0]:
            self._open = None
        return opened

    def secret(self, encrypt: bool) -> Cipher | None:
        return None if self.encrypted else cfb(self._key, encrypt)

    def _md5(self, body: bytes) -> bytes:
        return hashlib.md5(self._key.key + body, usedforsecurity=False).digest()


def cfb(key: SessionKey, encrypt: bool) -> Cipher:
    """One of the old ciphers at the beginning of a message: CFB of 64 bits, an IV of zeroes."""
    if key.cipher == BLOWFISH:
        algorithm: Blowfish | TripleDES = Blowfish(key.key)
    else:
        algorithm = TripleDES(folded(key.key))
    cipher = BlockCipher(algorithm, CFB(bytes(8)))
    return (cipher.encryptor() if encrypt else cipher.decryptor()).update


def folded(key: bytes) -> bytes:
    """A key of the 24 bytes that 3DES needs: a longer one is folded onto them, a shorter one
    repeated."""
    size = KEY_SIZES[TRIPLE_DES]
    if len(key) < size:
        return (key * size)[:size]
    made = bytearray(key[:size])
    for at, byte in enumerate(key[size:]):
        made[at % size] ^= byte
    return bytes(made)


def protection(
    key: SessionKey, transcript: Transcript, iv: bytes, encrypt: bool, integrity: bool
) -> Protection:
    """What a session's key switches on. AES protects all, whatever was said of encryption."""
    if key.cipher == AES:
        return AesGcm(key.key, transcript, iv)
    return Legacy(key, encrypt, integrity)
