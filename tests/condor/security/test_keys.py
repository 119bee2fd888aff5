"""Keys: agreed on by two, or wrapped and sent."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glasnost.condor.cedar.ciphers import KEY_SIZES
from glasnost.condor.security.keys import DrawnExchange, session_key, unwrapped, wrapped
from glasnost.errors import ProtocolError
from tests.condor.recorded import conversations


def test_the_keys_of_the_recorded_conversations() -> None:
    tried = 0
    for conversation in conversations():
        for connection in conversation.connections:
            said = connection.secrets
            shared = said.get("ecdh_shared_secret_x") or said.get("shared")
            if shared is not None:
                key = session_key(bytes.fromhex(shared), "AES").key.hex()
                assert key == (said.get("aes_session_key") or said["sesskey"])
                tried += 1
    assert tried == 10


@pytest.mark.parametrize("cipher", KEY_SIZES)
def test_both_sides_have_the_same_of_the_size_that_the_cipher_needs(cipher: str) -> None:
    one, two = DrawnExchange(), DrawnExchange()
    keys = {session_key(a.shared(b.point), cipher).key for a, b in ((one, two), (two, one))}
    assert [len(key) for key in keys] == [KEY_SIZES[cipher]]


@pytest.mark.parametrize("point", [b"", b"\4" + bytes(64), b"\4" + b"\1" * 64, bytes(65)])
def test_what_is_no_point_of_the_curve(point: bytes) -> None:
    with pytest.raises(ProtocolError, match="no point"):
        DrawnExchange().shared(point)


@given(st.binary(min_size=1, max_size=40), st.none() | st.binary(min_size=1, max_size=300))
def test_a_wrapped_key_comes_out_as_it_went_in(key: bytes, secret: bytes | None) -> None:
    assert unwrapped(wrapped(key, secret), secret) == key
