"""The table of parsers is whole: every function that reads outside bytes is in it, and runs."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest
from hypothesis import Phase, given, settings

from tests.fuzz.parser import Parser
from tests.fuzz.table import PARSERS

SRC = Path(__file__).parents[2] / "src"

#: A function reads what comes from outside if it is called so ...
NAMES = re.compile(r"_?(parse|decode|load)(_\w+)?|read(_\w+)?|from_(builtins|dict|json|v1)")
#: ... or calls one of these: of `struct`, `msgspec`, `json`, `cryptography`, `socket`.
CALLS = {
    *("unpack", "unpack_from", "from_bytes", "convert", "loads", "b64decode", "recvmsg"),
    *("load_der_x509_certificate", "load_der_x509_csr", "load_pem_x509_certificate"),
    *("load_pem_private_key", "decode"),
}
#: What looks like it and needs no fuzzing, each with its reason.
EXEMPT = {
    "glasnost.condor.port.dialling.read_address": "calls parse, with brackets around it or not",
    "glasnost.condor.ccb.file.ReconnectFile.load": "our own file, by parse_kept",
    "glasnost.condor.central.keys.SigningKeys.read": "our own files, by read_private",
    "glasnost.cli.route.parse": "a command: one call of _read",
    "glasnost.condor.cedar.ciphers._counted": "adds to an IV, whatever it is",
    "glasnost.condor.judge.process.Judge._ask": "what our own process says, in our own types",
    "glasnost.condor.judge.worker._read": "the same at the other end",
    "glasnost.core.address.literals._rfc5952": "writes an address that `ipaddress` has read",
    "glasnost.core.routes.rfc6724._ip4_value": "of an address that `ipaddress` has read",
    "glasnost.net.bringing.Bringing._heal": "our own file, in a directory of ours",
    "glasnost.net.held._written": "writes an address that `ipaddress` has read",
    "glasnost.net.interfaces.read_host": "what psutil says of this host",
    "glasnost.net.keeper.main": "our own settings, from the process that starts it",
    "glasnost.net.fdpass._peer": "what the kernel says of a socket",
    "glasnost.roles.agent.clients.Client._received": "the local agent's messages, by their codec",
    "glasnost.roles.agent_client.AgentClient._received": "the same at the other end",
    "glasnost.roles.authority_state._read_root": "our own file, 0700: read as any certificate",
    "glasnost.roles.authority_state.load": "our own files, by _read_root and key_from_pem",
    "glasnost.roles.doctor.host.read_certificate": "our own file, by NodeIdentity",
    "glasnost.roles.doctor.host.read_home": "what the file system says of our own files",
    "glasnost.roles.doctor.host.read_processes": "what psutil says of this host",
    "glasnost.roles.doctor.host.read_settings": "calls load_settings and _unknown_words",
    "glasnost.roles.home.NodeIdentity.__init__": "our own files, read as any certificate",
    "glasnost.store.authority._unpack": "a column of our own database",
    "glasnost.store.records.MemoryRecords.load": "memory",
    "glasnost.store.records.RecordStore.load": "an interface",
    "glasnost.store.sqlite.SqliteRecords._load": "our own database; each record is verified anew",
    "glasnost.store.sqlite.SqliteRecords.load": "calls _load",
    "glasnost.trust.keys.read_private": "bytes of a file, not looked at",
}


def readers() -> Iterator[str]:
    """The full names of all functions below src that read outside bytes."""
    for path in sorted(SRC.rglob("*.py")):
        module = ".".join(path.relative_to(SRC).with_suffix("").parts)
        if not module.startswith("glasnost.testing"):  # plays the strangers itself
            yield from _readers_in(ast.parse(path.read_text()), module)


def _readers_in(tree: ast.AST, inside: str) -> Iterator[str]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef):
            yield from _readers_in(node, f"{inside}.{node.name}")
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and _reads(node):
            yield f"{inside}.{node.name}"


def _reads(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    if NAMES.fullmatch(function.name):
        return True
    calls = (node for node in ast.walk(function) if isinstance(node, ast.Call))
    return any(
        isinstance(call.func, ast.Attribute)
        and call.func.attr in CALLS
        and not _is_text(call.func.attr, call.args)
        for call in calls
    )


def _is_text(name: str, arguments: list[ast.expr]) -> bool:
    """``data.decode()`` and ``data.decode("ascii")`` make text of bytes, and read nothing."""
    return name == "decode" and (not arguments or isinstance(arguments[0], ast.Constant))


READERS = set(readers())
COVERED = {name for parser in PARSERS for name in parser.covers}


def test_every_reader_is_fuzzed_or_exempt() -> None:
    """Something new that reads outside bytes goes into a table of this folder (wire, texts,
    trusted, streams, proxies), or, where it reads none, above with its reason."""
    assert READERS - COVERED - set(EXEMPT) == set()


def test_no_reason_outlives_what_it_is_for() -> None:
    assert set(EXEMPT) - READERS == set()
    assert set(EXEMPT) & COVERED == set()


def test_each_parser_has_a_name_of_its_own() -> None:
    assert len({parser.name for parser in PARSERS}) == len(PARSERS)


@pytest.mark.parametrize("parser", PARSERS, ids=repr)
def test_the_functions_named_are_those_that_run(parser: Parser) -> None:
    called: set[str] = set()

    def note(frame: FrameType, event: str, argument: object) -> None:
        if event == "call" and frame.f_globals.get("__name__", "").startswith("glasnost."):
            called.add(f"{frame.f_globals['__name__']}.{frame.f_code.co_qualname}")

    @settings(max_examples=50, phases=[Phase.generate], database=None)
    @given(parser.inputs)
    def one(value: object) -> None:
        parser.check(value)

    def run() -> None:
        for seed in parser.seeds():
            parser.check(parser.of(seed))
        one()

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        run()
    finally:
        sys.setprofile(before)
    assert set(parser.covers) - called == set()
