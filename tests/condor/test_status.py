"""STATUS.md says what is so: of every command, and with tests that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import glasnost.condor
from glasnost.condor.ccb.server import CcbServer
from glasnost.condor.collector import kinds
from glasnost.condor.commands import Command
from glasnost.condor.security.methods.kinds import Method
from glasnost.condor.server.command import nops

HERE = Path(__file__).parent
STATUS = (Path(glasnost.condor.__file__).parent / "STATUS.md").read_text("utf-8")
TESTS = {path: path.read_text("utf-8") for path in HERE.parent.rglob("test_*.py")}
#: What is answered outside of a server's table: at the port, as a login, within a registration.
_COLLECTOR = (*kinds.UPDATES, *kinds.INVALIDATIONS, *kinds.QUERIES)
ELSEWHERE = {
    Command.SHARED_PORT_CONNECT,
    Command.DC_AUTHENTICATE,
    Command.DC_SEC_QUERY,
    Command.ALIVE,
}


def rows() -> dict[str, list[str]]:
    """Of each command in the table: what we are as client, as server, and what shows it."""
    section = STATUS.partition("\n## Commands\n")[2].partition("\n## ")[0]
    found: dict[str, list[str]] = {}
    for line in section.splitlines():
        names = re.findall(r"`([A-Z_]+)` \((\d+)\)", line.partition(" | ")[0])
        for name, number in names:
            assert name not in found, f"{name} stands twice"
            assert Command[name] == int(number)
            found[name] = [cell.strip() for cell in line.strip("| ").split(" | ")[1:]]
    return found


def test_each_command_has_its_row() -> None:
    assert rows().keys() == {command.name for command in Command}


def test_what_is_said_to_be_spoken_is_answered() -> None:
    """And of what is refused or not known, nothing."""
    answered = {Command(one) for one in (*_COLLECTOR, *CcbServer(str).commands(), *nops())}
    answered |= ELSEWHERE
    for name, (_, as_server, *_) in rows().items():
        spoken = as_server.startswith(("spoken", "refused in a sentence"))
        assert spoken == (Command[name] in answered), f"{name}: {as_server}"


def test_all_that_is_spoken_is_shown_by_a_test() -> None:
    for name, (as_client, as_server, shown) in rows().items():
        if "spoken" in as_client + as_server:
            assert "test_" in shown, name


@pytest.mark.parametrize("method", Method, ids=lambda method: method.known)
def test_each_method_is_named(method: Method) -> None:
    assert re.search(rf"\b{method.known}\b", STATUS)


def test_the_tests_that_it_names_are_there() -> None:
    functions = {name for text in TESTS.values() for name in re.findall(r"def (test_\w+)\(", text)}
    modules = [str(path.relative_to(HERE.parent)) for path in TESTS]
    for word in re.findall(r"`([^`\n]*\btest_[^`\n]*)`", STATUS):
        if word.endswith(".py"):
            assert any(one.endswith(word.removeprefix("tests/")) for one in modules), word
        elif word.endswith("..."):
            assert any(one.startswith(word[:-3]) for one in functions), word
        else:
            assert word.partition("[")[0] in functions, word


def test_the_folders_that_it_names_are_there() -> None:
    root = HERE.parent.parent
    for word in re.findall(r"`(tests/[\w/]+/)`", STATUS):
        assert (root / word).is_dir(), word
