"""Ctrl-C, and a terminal that is closed, end a program of many processes in order."""

from __future__ import annotations

import signal

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def listen() -> None:
    """From here on a signal is a KeyboardInterrupt, once."""
    for number in SIGNALS:
        signal.signal(number, _interrupt)


def deafen() -> None:
    """From here on everything is taken down, which a signal must not interrupt."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _interrupt(*_: object) -> None:
    deafen()
    raise KeyboardInterrupt
