"""`make fuzz` runs several of these side by side, each a share of the parsers, and adds up."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from tests.fuzz.counts import COUNTS, table


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """FUZZ_SHARE=1/3: every third parser, beginning with the second."""
    share, _, of = os.environ.get("FUZZ_SHARE", "0/1").partition("/")
    items[:] = items[int(share) :: int(of)]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if file := os.environ.get("FUZZ_COUNTS"):
        Path(file).write_bytes(msgspec.json.encode(COUNTS))
    elif COUNTS and os.environ.get("FUZZ_TABLE"):
        for line in table(COUNTS):
            terminalreporter.line(line)
