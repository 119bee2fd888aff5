"""Two streams with a connection between them, in clear or with a key."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from glasnost.condor.cedar.ciphers import AES, BLOWFISH, TRIPLE_DES, SessionKey
from glasnost.condor.stream import CedarStream
from tests.condor.cedar.vectors import AES_KEY, OLD_KEY
from tests.net.pairs import tcp_pair

#: How a connection may be protected: a name, the key, encryption, integrity.
KEYS = {
    "clear": None,
    "AES": (SessionKey(AES, AES_KEY), False, False),
    "BLOWFISH": (SessionKey(BLOWFISH, OLD_KEY), True, False),
    "3DES, MD5": (SessionKey(TRIPLE_DES, OLD_KEY), True, True),
    "MD5": (SessionKey(BLOWFISH, OLD_KEY), False, True),
}


@contextlib.contextmanager
def streams(
    kind: str = "clear", read_ahead: bool = False
) -> Iterator[tuple[CedarStream, CedarStream]]:
    """Both ends of one TCP connection, protected alike."""
    ours, theirs = tcp_pair()
    with ours, theirs:
        pair = CedarStream(ours), CedarStream(theirs, read_ahead=read_ahead)
        if (key := KEYS[kind]) is not None:
            for stream in pair:
                stream.secure(*key)
        yield pair
