"""Pytest's side of the lab: the fixture ``lab``, and what happens where a lab cannot run.

A conftest imports the fixtures it uses (``from glasnost.testing.lab.pytest_plugin import lab,
lab_reason, needs_lab``) or names this module in ``pytest_plugins``. For ordinary users the
outermost conftest calls ``enter`` at its very top, before anything starts a thread.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from glasnost.testing.lab import Lab, LabUnavailable, available, enter_user_namespace


def enter() -> None:
    """Move the session into a user namespace if it needs one; tests say so if that cannot be."""
    if not {"LOGNAME", "USER"} & os.environ.keys():
        # Inside, our number is 0: pytest would take us for root and want root's folder in /tmp.
        os.environ["LOGNAME"] = f"uid-{os.getuid()}"
    try:
        enter_user_namespace()
    except LabUnavailable:
        return  # the fixture finds out again, and skips with the reason


@pytest.fixture(scope="session")
def lab_reason() -> str | None:
    """Why no lab can run in this session, or None. Overriding it is how to test for either case."""
    reason = available()
    if reason is None:
        return None
    try:
        enter_user_namespace()  # refused by now, and says more exactly why
    except LabUnavailable as error:
        return str(error)
    return available()


@pytest.fixture
def needs_lab(lab_reason: str | None) -> None:
    """Skip the test where no lab can run; where CI is set, where everything has to run, fail it."""
    if lab_reason is None:
        return
    if os.environ.get("CI", "").lower() not in {"", "0", "false", "no"}:
        pytest.fail(f"no lab can run here, and CI is set: {lab_reason}", pytrace=False)
    pytest.skip(f"no lab can run here: {lab_reason}")


@pytest.fixture
def lab(request: pytest.FixtureRequest, needs_lab: None) -> Iterator[Lab]:
    """An empty lab, taken down after the test; a failed test's report shows its topology."""
    with Lab() as lab:
        yield lab
        # Sections of the teardown are printed with the test's own failure, and only then.
        request.node.add_report_section("teardown", "topology", str(lab))
