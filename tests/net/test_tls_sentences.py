"""OpenSSL's reasons, as sentences."""

from __future__ import annotations

import ssl

import pytest

from glasnost.net.tls_engine import tls_sentence

SENTENCES = [
    ("TLSV1_ALERT_UNKNOWN_CA", "the peer ended the handshake: unknown ca"),
    ("SSLV3_ALERT_CERTIFICATE_EXPIRED", "the peer ended the handshake: certificate expired"),
    ("WRONG_VERSION_NUMBER", "TLS: wrong version number"),
]


@pytest.mark.parametrize("reason, sentence", SENTENCES)
def test_a_reason_reads_well(reason: str, sentence: str) -> None:
    error = ssl.SSLError(1, "[SSL] (_ssl.c:1)")
    error.reason = reason
    assert tls_sentence(error) == sentence


def test_a_reason_that_python_has_no_name_for_reads_as_well() -> None:
    error = ssl.SSLError(1, "[SSL] tlsv1 alert no application protocol (_ssl.c:1006)")
    error.reason = None  # type: ignore[assignment]
    assert tls_sentence(error) == "the peer ended the handshake: no application protocol"
