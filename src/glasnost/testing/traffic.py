"""A `load` that runs on a host, seen from the test that started it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import msgspec

from glasnost.testing.load import Report


class Traffic:
    """``ended`` is called when it was stopped."""

    def __init__(self, process: subprocess.Popen[str], ended: Callable[[], object]) -> None:
        self._process = process
        self._ended = ended
        self._final: Report | None = None

    def report(self) -> Report:
        """How things stand."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return self._read()

    def stop(self) -> Report:
        """Have it finish what it has begun, and say what came of everything. Once is enough."""
        if self._final is None:
            assert self._process.stdin is not None and self._process.stdout is not None
            self._process.stdin.close()
            self._final = self._read()
            self._process.wait()
            self._process.stdout.close()
            self._ended()
        return self._final

    def flows(self) -> bool:
        """Whether every stream that is held has gone round, and no other is waited for."""
        report = self.report()
        return all(one.rounds or one.error for one in report.held)

    def goes_on(self, *ways: str) -> Callable[[], bool]:
        """A condition: every stream that is held, of these ways if any are named, goes a whole
        round more, begun after this."""
        before = [one.rounds for one in self.report().held]

        def on() -> bool:
            # One round may have been under way: the second has begun since.
            return all(
                one.rounds >= was + 2
                for one, was in zip(self.report().held, before, strict=True)
                if not ways or one.way in ways
            )

        return on

    def ended(self, way: str, name: str = "") -> Callable[[], bool]:
        """A condition: every stream that is held and is of this way has ended with an error; with
        a name, those to that service."""
        return lambda: all(
            one.error for one in self.report().held if one.way == way and name in ("", one.name)
        )

    def more(self, count: int) -> Callable[[], bool]:
        """A condition: so many more transfers are whole."""
        enough = self.report().whole + count
        return lambda: self.report().whole >= enough

    def in_a_row(self, count: int) -> Callable[[], bool]:
        """A condition: so many more transfers are whole, and none of them failed meanwhile."""
        since = self.report()

        def whole() -> bool:
            nonlocal since
            now = self.report()
            if now.failed != since.failed:
                since = now
            return now.whole >= since.whole + count

        return whole

    def _read(self) -> Report:
        assert self._process.stdout is not None
        return msgspec.json.decode(self._process.stdout.readline(), type=Report)
