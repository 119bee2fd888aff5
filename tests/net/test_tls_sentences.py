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
