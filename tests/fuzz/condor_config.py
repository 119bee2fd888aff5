"""Parsers of HTCondor's configuration and of its files of tokens."""

from __future__ import annotations

import functools
import os
import tempfile
from pathlib import Path

from hypothesis import strategies as st

from glasnost.condor.config import CondorConfig, Host, read_config
from glasnost.condor.config.limits import MAX_VALUE
from glasnost.condor.config.sources import read_table
from glasnost.condor.config.tokens import find_tokens
from glasnost.errors import SettingsError
from tests.fuzz.parser import Parser, texts

_CONFIG = "glasnost.condor.config"
CONFIGS = [
    "use SECURITY : recommended($(x), y), host_based\nCOLLECTOR_HOST = $(CONDOR_HOST:cm.a):1, b\n",
    "if defined A\n A = $(A:$(B)) $ENV(HOME:x)\nelif version >= 9.0\n B += $(A)\nelse\nendif\n",
    "A @=end\n $(A)\n@end\nTOOL.A = $(A)$(A)\nLOCK = $(LOG)//x\nB =$(DOLLAR)(B) $$(C) $F(A)\n",
    "include : condor_config\ninclude ifexist : $(A)\ninclude command into x : y |\nerror : $(A)\n",
    "# c \\\nSEC_READ_INTEGRITY = yes \\\n # c\n\n:if ! no\n[x]\nwarning : $(x\nendif\nB +||= 1\n",
]
TOKENS = [b"# mine\neyJhbGciOiJIUzI1NiJ9.e30.c2ln\n\n x \r\n", b"\xff\n#\n.."]


def check_config(data: bytes) -> bool:
    """Any bytes are a configuration or refused; no value grows without bound."""
    _file("condor_config").write_bytes(data)
    try:
        table, files, findings = read_table("TOOL", "", _host())
        config = read_config(host=_host())
    except SettingsError as error:
        assert str(error)
        return False
    assert (config.files, config.findings[: len(findings)]) == (files, findings)
    assert all(len(value) <= 9 * MAX_VALUE for value in table._set.values())
    assert all(map(str, config.findings))
    return True


def check_tokens(data: bytes) -> bool:
    """Each line found stands in the file, and is text that a header could carry."""
    path = _file("home/.condor/tokens.d/t")
    path.write_bytes(data)
    path.chmod(0o600)
    found = find_tokens(_plain(), _host())
    for one in found.candidates:
        assert one.text.isascii() and one.text.strip() == one.text
        assert one.text.encode() in data.split(b"\n")[one.line - 1]
    return bool(found.candidates)


@functools.cache
def _host() -> Host:
    folder = tempfile.mkdtemp(prefix="glasnost-fuzz-")
    return Host(
        environ={"CONDOR_CONFIG": f"{folder}/condor_config", "HOME": "/h"},
        home=f"{folder}/home",
        condor_home="",
        is_root=False,
        uid=os.getuid(),
        hostname=lambda: "node7",
    )


@functools.cache
def _plain() -> CondorConfig:
    _file("condor_config").write_bytes(b"")
    return read_config(host=_host())


@functools.cache
def _file(name: str) -> Path:
    path = Path(_host().environ["CONDOR_CONFIG"]).parent / name
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


PARSERS = [
    Parser(
        "HTCondor's configuration",
        (
            f"{_CONFIG}.sources.read_config",
            f"{_CONFIG}.sources.read_table",
            f"{_CONFIG}.sources.read_text",
            f"{_CONFIG}.statements.parse_statement",
        ),
        check_config,
        st.binary(max_size=60)
        | texts(CONFIGS).map(lambda text: text.encode("utf-8", "surrogatepass")),
        seeds=lambda: [text.encode() for text in CONFIGS],
    ),
    Parser(
        "HTCondor's files of tokens",
        (f"{_CONFIG}.tokens.read_private",),
        check_tokens,
        st.binary(max_size=80),
        seeds=lambda: TOKENS,
    ),
]
