"""The same configuration read by HTCondor's own library and by us: values and refusals alike."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from glasnost.condor.config import Host
from glasnost.condor.config.conditions import HTCONDOR
from glasnost.condor.config.defaults import DEFAULTS
from glasnost.condor.config.protection import LEVELS
from glasnost.condor.config.settings import SETTINGS
from glasnost.condor.config.sources import read_table
from glasnost.condor.config.statements import Wrong
from glasnost.condor.config.templates import KNOWN
from glasnost.errors import SettingsError
from tests.condor.config.files import write
from tests.condor.config.oracle import LOST, REFUSED, Oracle

pytest.importorskip("htcondor2", reason="HTCondor's library has wheels for Linux only")

NAMES = ["A", "B", "C", "D", "TOOL.A", "TOOL.B", "AB"]
SECURITY = [
    f"SEC_{level}_{what}"
    for level in LEVELS
    for what in (
        *("NEGOTIATION", "AUTHENTICATION", "ENCRYPTION", "INTEGRITY"),
        *("AUTHENTICATION_METHODS", "CRYPTO_METHODS"),
    )
]


@pytest.fixture(scope="module")
def oracle() -> Iterator[Oracle]:
    with Oracle() as one:
        yield one


def ours(variables: dict[str, str], names: list[str]) -> dict[str, str] | str:
    """What we make of it, as the oracle says it."""
    try:
        table, _, findings = read_table("TOOL", "", Host(environ={"HOME": "/h", **variables}))
        values = {name: table.value(name) for name in names}
    except (SettingsError, Wrong) as error:
        return LOST if "lead to no end" in str(error) else REFUSED
    assert all(one.text.startswith("warning:") for one in findings)
    return values


# --- anything that looks like a configuration -----------------------------------------------------

CONDITIONS = [
    *("true", "No", "0", "1.5", "! f", "defined A", "!defined NONE", "$(A)", "$(NONE)", "B"),
    *("version >= 25.14", "version<9", "version < 9.0.1", "! version = 25.14.1", "version != 8.9"),
    *("defined use security:strong", "defined use security:x", "1 == 1", "", "version 9.0"),
    *("defined 1", "defined", "defined A B", "version > 9", "version == v25.14.1"),
]
ODD = [
    *(
        "# c \\",
        "",
        "   ",
        "[x]",
        "A b = 2",
        "warning : $(A)",
        "A = 1 \\\n# c",
        "$(A)B = 1",
        "A += ",
    ),
    *("use security:strong", "use SECURITY : host_based, strong", "@use role : submit"),
    *("use security:recommended($(A), (b))", "use role:personal,execute", "A = 1\\\n \\\n 2"),
    *("include ifexist : /none", "B = 3 \\", "A = 1 \\\n # x \\\n 2"),
]
WRONG = [
    *(
        "[x y]",
        "junk",
        "A",
        "= 1",
        "A-B = 1",
        "A @ = 3",
        "use security",
        "use nope:x",
        "include : ",
    ),
    *("include x : /none", "error : no", "if", "else", "endif", "@end", ":A = 1"),
]
FORMS = ["{} = {}", "{} = {}", "{}={}", "{}: {}", "{} += {}", "{} +,= {}", "{} +&&={}"]
SEVERAL = "{} @=end\n{}\n# no\n  more\n\n@end"


def value(chance: random.Random, name: str) -> str:
    """A value that refers to names behind its own only, and to its own: nothing goes round."""
    later = [*"ABCD"["ABCD".index(name) + 1 :], "NONE"]
    one, other = chance.choice(later), chance.choice(later)
    pieces = [
        *(
            "x",
            "y z",
            " ",
            ",",
            "# n",
            "1",
            ")",
            ":",
            "é",
            f"$({name})",
            f"$({one})",
            f"$({other})",
        ),
        *(
            "$ENV(HOME)",
            "$ENV(NONE)",
            "$ENV(NONE:$(NONE))",
            "$$(A)",
            "$(a b)",
            "$NOPE(x)",
            "$(A:-)",
        ),
        *("$(DOLLAR)", "$(dollar)x", "$(NONE:(a)b)", "$()", f"$({one}:)", f"$({one}:r s)"),
        *(f"$({one}:a,b)", f"$({one}:$({other}))", f"$({one}$({other}))", f"$({one}:$(NONE:t))"),
    ]
    return "".join(chance.choices(pieces, k=chance.randrange(5)))


def lines(chance: random.Random, depth: int = 0) -> str:
    """Some statements, seldom a wrong one."""
    return "\n".join(_statement(chance, depth) for _ in range(chance.randrange(1, 5)))


def _statement(chance: random.Random, depth: int) -> str:
    kind = chance.random()
    if kind < 0.02:
        return chance.choice(WRONG)
    if kind < 0.2:
        return chance.choice(ODD)
    if kind < 0.35 and depth < 3:
        one, two = chance.choices(CONDITIONS, k=2)
        inner = [lines(chance, depth + 1) for _ in range(3)]
        return f"if {one}\n{inner[0]}\nelif {two}\n{inner[1]}\nelse\n{inner[2]}\nendif"
    name = chance.choice("ABCD")
    written = chance.choice([name, name, name.lower(), f"TOOL.{name}", f"SCHEDD.{name}"])
    return chance.choice([*FORMS, SEVERAL]).format(written, value(chance, name))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.integers(0, 2**64 - 1).map(random.Random))
def test_any_configuration(tmp_path: Path, oracle: Oracle, chance: random.Random) -> None:
    text = lines(chance) + "\n"
    note(text)
    write(tmp_path, {"condor_config": text})
    variables = {"CONDOR_CONFIG": f"{tmp_path}/condor_config"}
    if chance.random() < 0.2:
        variables["_condor_A"] = " e $(A)"
    assert ours(variables, NAMES) == oracle.ask(variables, NAMES)


@pytest.mark.parametrize("text", ["A = $(B)\nB = $(A)\n", "A = a\nA = $(A:z)$(B:$(A))\n"])
def test_macros_that_lead_to_each_other(tmp_path: Path, oracle: Oracle, text: str) -> None:
    """HTCondor does not come back from them, which a third of a second is enough to see."""
    write(tmp_path, {"condor_config": text})
    variables = {"CONDOR_CONFIG": f"{tmp_path}/condor_config"}
    assert ours(variables, ["A"]) == LOST == oracle.ask(variables, ["A"])


# --- what is known by heart -----------------------------------------------------------------------


def test_the_defaults(tmp_path: Path, oracle: Oracle) -> None:
    write(tmp_path, {"condor_config": "LOCAL_DIR = /l\nCONDOR_HOST = cm\nETC = /e\n"})
    variables = {"CONDOR_CONFIG": f"{tmp_path}/condor_config"}
    names = sorted({*SETTINGS, *(name.upper() for name in DEFAULTS), *SECURITY})
    assert ours(variables, names) == oracle.ask(variables, names)


@pytest.mark.parametrize(
    "category, name", [(category, name) for category, known in KNOWN.items() for name in known]
)
def test_the_templates(tmp_path: Path, oracle: Oracle, category: str, name: str) -> None:
    text = f"CONDOR_HOST = cm\nLOCAL_DIR = /l\nuse {category}:{name}\n"
    write(tmp_path, {"condor_config": text})
    variables = {"CONDOR_CONFIG": f"{tmp_path}/condor_config"}
    names = [*SECURITY, "COLLECTOR_HOST", "CONDOR_HOST", "TRUST_DOMAIN", "LEGACY_ALLOW_SEMANTICS"]
    theirs, mine = oracle.ask(variables, names), ours(variables, names)
    assert isinstance(theirs, dict) and isinstance(mine, dict)
    assert {key: value.lower() for key, value in mine.items()} == {
        key: value.lower() for key, value in theirs.items()
    }


def test_the_order_of_files(tmp_path: Path, oracle: Oracle) -> None:
    """Each file adds its name to X, so X says which were read, and when."""
    more = "X = $(X) {}\n"
    texts = {
        "condor_config": "LOCAL_CONFIG_DIR = FOLDER/d\nLOCAL_CONFIG_FILE = FOLDER/one, FOLDER/two\n"
        "USER_CONFIG_FILE = FOLDER/user\nROOT = $(CONFIG_ROOT)\nH = $(HOSTNAME)\n",
        "d/20": "LOCAL_CONFIG_DIR = FOLDER/d FOLDER/e\ninclude : FOLDER/inc\n",
        "one": "LOCAL_CONFIG_FILE = FOLDER/three FOLDER/one\n",
        **dict.fromkeys(["d/10", "d/B", "d/a", "d/x.sh", "d/.y", "d/z~", "d/#w", "d/s/f"], ""),
        **dict.fromkeys(["two", "three", "e/e", "inc", "user", "d/é"], ""),
    }
    write(tmp_path, {name: more.format(name) + text for name, text in texts.items()})
    variables = {"CONDOR_CONFIG": f"{tmp_path}/condor_config", "_CONDOR_Y ": " $(X)"}
    names = ["X", "Y", "ROOT", "H", "FULL_HOSTNAME", "SUBSYSTEM", "LOCALNAME", "ARCH", "OPSYS"]
    theirs = oracle.ask(variables, [*names, "USERNAME", "REAL_UID"])
    # Root's own tools have no file of a user; this library has, even for root.
    host = Host(environ={"HOME": "/h", **variables}, is_root=False)
    table = read_table("TOOL", "", host)[0]
    assert {name: table.value(name) for name in [*names, "USERNAME", "REAL_UID"]} == theirs


@pytest.mark.parametrize(
    "text",
    [
        *("", "ENABLE_IPV6 = false", "ENABLE_IPV4 = false", "NETWORK_INTERFACE = lo"),
        *(
            "NETWORK_INTERFACE = 127.*",
            "NETWORK_INTERFACE = 198.51.100.4",
            "NETWORK_INTERFACE = ::1",
        ),
        *("NETWORK_INTERFACE = 2001:db8::7", "NETWORK_INTERFACE = E*, lo"),
    ],
)
def test_the_hosts_own_address(tmp_path: Path, text: str) -> None:
    write(tmp_path, {"condor_config": f"CONDOR_HOST = $(IP_ADDRESS)\n{text}\n"})
    variables = {"CONDOR_CONFIG": f"{tmp_path}/condor_config"}
    names = ["COLLECTOR_HOST", "IP_ADDRESS_IS_IPV6", "IPV4_ADDRESS", "IPV6_ADDRESS"]
    with Oracle(warm=False) as oracle:
        assert ours(variables, names) == oracle.ask(variables, names)


@pytest.mark.parametrize("first", ["ONLY_ENV", "only_env", os.devnull])
def test_the_environment_alone(oracle: Oracle, first: str) -> None:
    variables = {"CONDOR_CONFIG": first, "_CONDOR_A": "1", "_condor_b": "$(A)2"}
    assert ours(variables, ["A", "B"]) == oracle.ask(variables, ["A", "B"])


def test_the_release_compared_with_is_the_one_that_conditions_know(
    tmp_path: Path, oracle: Oracle
) -> None:
    text = f"if version == {'.'.join(map(str, HTCONDOR))}\nA = 1\nendif\n"
    write(tmp_path, {"condor_config": text})
    assert oracle.ask({"CONDOR_CONFIG": f"{tmp_path}/condor_config"}, ["A"]) == {"A": "1"}
