"""What holds for the whole suite: hypothesis' profiles, and that a skip is never silent.

A skipped test looks like a passed one from afar. So skips are counted and listed by name with
their reasons, and where CI is set, where everything has to be able to run, they fail the session.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

from glasnost.testing.lab.pytest_plugin import enter

# An ordinary user gets namespaces only before the first thread starts.
enter()

# A proxy of whoever runs the tests is no way out for the hosts that they are about.
for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
    del os.environ[name]

# No deadline: what a loaded machine took for one example says nothing about the code.
settings.register_profile("glasnost", deadline=None, max_examples=100)
# `make fuzz`. Examples are large and slow there on purpose.
settings.register_profile(
    "fuzz",
    deadline=None,
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", "100000")),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
# --hypothesis-profile, if given, is loaded after this file.
settings.load_profile("glasnost")


def in_ci() -> bool:
    return os.environ.get("CI", "").lower() not in {"", "0", "false", "no"}


class SkipsAreCounted:
    """Remembers each skipped test, or file, with its reason."""

    def __init__(self) -> None:
        self.reasons: dict[str, str] = {}

    def note(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        # What is expected to fail is reported as skipped too, and is not: it ran.
        if report.skipped and not hasattr(report, "wasxfail"):
            place = report.longrepr
            reason = place[2] if isinstance(place, tuple) else str(place)
            self.reasons[report.nodeid] = reason.removeprefix("Skipped: ")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.note(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self.note(report)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.reasons and in_ci() and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self.reasons:
            return
        verdict = "and CI is set: that is a failure" if in_ci() else "so not everything is proved"
        terminalreporter.section(f"{len(self.reasons)} skipped, {verdict}")
        for nodeid, reason in self.reasons.items():
            terminalreporter.line(f"{nodeid}: {reason}")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(SkipsAreCounted(), "glasnost-skips")
