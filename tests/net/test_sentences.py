"""Every error is one sentence for a person."""

from __future__ import annotations

import socket
import ssl

import pytest

from glasnost.errors import Refused
from glasnost.net.sentences import sentence

SENTENCES = [
    (ConnectionRefusedError(111, "Connect call failed ('192.0.2.1', 9)"), "connection refused"),
    (socket.gaierror(-2, "Name or service not known"), "name or service not known"),
    (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version"), "[ssl: wrong_version_number]"),
    (PermissionError("served by user 7"), "served by user 7"),
    (TimeoutError(), "no answer in time"),
    (TimeoutError("no TLS handshake within 10 s"), "no TLS handshake within 10 s"),
    (Refused("busy"), "busy"),
    (Refused("busy", "come again"), "come again"),
    (KeyError(), "KeyError"),
]


@pytest.mark.parametrize(("error", "says"), SENTENCES)
def test_every_error_is_a_sentence(error: BaseException, says: str) -> None:
    assert sentence(error).startswith(says)
