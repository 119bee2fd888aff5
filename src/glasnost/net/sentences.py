"""Errors of every kind as sentences, for people and for peers."""

from __future__ import annotations

import os
import socket
import ssl


def sentence(error: BaseException) -> str:
    """An error as one sentence for a person."""
    if isinstance(error, (socket.gaierror, ssl.SSLError)):  # their numbers are no errno's
        return (error.strerror or str(error)).lower()
    if isinstance(error, OSError) and error.errno:
        # Not its own text: asyncio puts the address there, which is said already.
        return os.strerror(error.errno).lower()
    if isinstance(error, TimeoutError):
        return str(error) or "no answer in time"
    return str(error) or type(error).__name__
