"""Files as they are written, in HTCondor's order, and what is refused: one scenario each."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from glasnost.condor.config import CondorConfig, Host, read_config
from glasnost.condor.config.limits import MAX_DEPTH, MAX_FILE, MAX_FILES, MAX_IFS, MAX_VALUE
from glasnost.condor.config.settings import SETTINGS
from glasnost.condor.config.sources import read_table
from glasnost.errors import SettingsError
from tests.condor.config.files import host_in, write


def value_of(folder: Path, text: str, name: str = "A", **variables: str) -> str:
    write(folder, {"condor_config": text})
    return read_table("TOOL", "", host_in(folder, variables))[0].value(name)


VALUES = [
    # what it shows                    text                                             A
    ("a value keeps its own blanks", "A =  b  c \n", "b  c"),
    ("names know no case", "aBc = 1\nA = $(AbC)\n", "1"),
    ("a default stands for nothing", "B =\nA = [$(B:x, y)]\n", "[x, y]"),
    ("a default may have macros", "C = z\nA = $(B:$(C))\n", "z"),
    ("macros make names of macros", "B = 1\nX1 = y\nA = $(X$(B))\n", "y"),
    ("later settings count earlier", "A = $(B)\nB = 1\nB = 2\n", "2"),
    ("of itself, what was", "A = 1\nA = $(A) 2\n", "1 2"),
    ("more of it", "A = 1\nA += 2\nA +,= 3\nA +||= 4\n", "1 2,3 || 4"),
    ("more of nothing", "A += 2\n", "2"),
    ("a tool's own", "A = 1\nTOOL.A = 2\nSCHEDD.A = 3\n", "2"),
    ("a tool's own macro", "A = $(B)\nB = 1\nTOOL.B = 2\n", "2"),
    ("the environment of programs", "A = $ENV(HOME):$ENV(NONE):$ENV(NONE:x)\n", "/h:UNDEFINED:x"),
    ("a dollar is none of a macro", "B = 1\nA = $(DOLLAR)(B) $$(B)\n", "$(B) $$(B)"),
    ("what is no macro stays", "A = $(a b) $(x:-) $NOPE(x) $\n", "$(a b) $(x:-) $NOPE(x) $"),
    ("lines go on", "A = 1 \\\n  2\\\n3\n", "1 23"),
    ("to the end of the file", "A = 1\\", "1"),
    ("comments do not go on", "# \\\nA = 1\n", "1"),
    ("comments between lines", "A = 1 \\\n# no \\\n 2\n", "1 2"),
    ("no comments in lines", "A = 1 # 2\n", "1 # 2"),
    ("several lines", "A @=end\n one\n# no\n\n two\n@end\n", "one\ntwo"),
    ("other line ends", "A = 1\r\n", "1"),
    ("a colon, as it was once", "A : 1\n", "1"),
    ("a heading", "[Section]\nA = 1\n", "1"),
    ("if", "if true\nA = 1\nelse\nA = 2\nendif\n", "1"),
    ("if not", "if ! yes\nA = 1\nelif 0\nA = 2\nelse\nA = 3\nendif\n", "3"),
    ("only the first that holds", "if no\nelif 1\nA = 1\nelif 1\nA = 2\nelse\nA = 3\nendif\n", "1"),
    ("what is left out is not read", "if 0\nnonsense\nif what\nelse\nendif\nendif\nA = 1\n", "1"),
    ("if a macro is set", "B = 1\nif $(B)\nA = 1\nendif\nif $(C)\nA = 2\nendif\n", "1"),
    ("if defined", "B = 1\nif defined B\nA = 1\nendif\nif defined C\nA = 2\nendif\n", "1"),
    ("if a default is there", "if defined COLLECTOR_PORT\nA = 1\nendif\n", "1"),
    ("if defined use", "if defined use security:strong\nA = 1\nendif\n", "1"),
    ("if version", "if version >= 9.0.1\nA = 1\nendif\nif version < 25.14\nA = 2\nendif\n", "1"),
    ("if version is not", "if version != 25.14\nA = 1\nelse\nA = 2\nendif\n", "2"),
    ("lines for newer ones", ":if true\n:A = 1\n:endif\n", "1"),
    ("where the file is", "A = $(CONFIG_ROOT)\n", "FOLDER"),
    ("who it is", "A = $(USERNAME) $(REAL_GID) $(CondorIsAdmin)\n", "ada 4712 false"),
    ("names of the host", "A = $(HOSTNAME) $(FULL_HOSTNAME)\n", "node7 node7.example.org"),
    ("which nobody can set", "HOSTNAME = x\nA = $(HOSTNAME)\n", "node7"),
    ("a domain", "NETWORK_HOSTNAME=n\nDEFAULT_DOMAIN_NAME=d.e\nA=$(FULL_HOSTNAME)\n", "n.d.e"),
]  # fmt: skip


@pytest.mark.parametrize(
    "text, expected", [case[1:] for case in VALUES], ids=[c[0] for c in VALUES]
)
def test_values(tmp_path: Path, text: str, expected: str) -> None:
    assert value_of(tmp_path, text, HOME="/h") == expected.replace("FOLDER", str(tmp_path))


REFUSALS = [
    ("A\n", 'line 1: neither "NAME = value" nor another statement'),
    ("A = 1\nA-B = 1\n", "line 2: 'A-B' is no name of a setting"),
    ("= 1\n", "line 1: '' is no name"),
    ("A @=end\n x\n", "line 2: the file ends without @end"),
    ("if 1\n", "line 1: the file ends without endif"),
    ("endif\n", "line 1: endif without if"),
    ("else\n", "line 1: else without if"),
    ("if 1\nelse\nelif 1\nendif\n", "line 3: elif after else"),
    ("if 1 == 1\nendif\n", "line 1: '1 == 1' is no condition"),
    ("if version 9.0\nendif\n", "is no condition"),
    ("if version > 9\nendif\n", "'9' is no version"),
    ("if defined a b\nendif\n", "`defined` asks for a name"),
    ("if defined use feature:x\nendif\n", "whether there is a template"),
    ("use security:nope\n", "line 1: use security:nope is no template that is known here"),
    ("use nope:x\n", "there is no category 'nope'"),
    ("use security:strong(\n", "'strong(' is no list"),
    ("error : not $(HOSTNAME:yet)\n", "line 1: error: not yet"),
    ("include : FOLDER/none\n", "line 1: cannot read FOLDER/none: No such file"),
    ("include now : FOLDER/none\n", "after include stands 'now'"),
    ("include : FOLDER/condor_config\n", f"files that include each other {MAX_DEPTH} deep"),
    ("A = $(A)$(A)x\n" * 20, "lead to no end"),
    ("if 1\n" * (MAX_IFS + 1), f"more than {MAX_IFS} ifs"),
    ("A = " + "x" * MAX_VALUE + "\n", f"a line of more than {MAX_VALUE}"),
    ("A @=e\n" + ("x" * 30_000 + "\n") * 10, "A has more than"),
    ("A = 1\0\n", "it is no text"),
    ("#" * (MAX_FILE + 1), f"more than {MAX_FILE} bytes"),
    ("LOCAL_CONFIG_FILE = FOLDER/none\n", "cannot read HTCondor's FOLDER/none: No such file"),
    ("LOCAL_CONFIG_DIR_EXCLUDE_REGEXP = (\nLOCAL_CONFIG_DIR = FOLDER\n", "no regular expression"),
    ("COLLECTOR_PORT = 70000\n", "COLLECTOR_PORT: COLLECTOR_PORT is '70000', and no port"),
    ("PREFER_IPV4 = maybe\n", "PREFER_IPV4 is 'maybe', and neither true nor false"),
    ("SEC_READ_INTEGRITY = sure\n", "SEC_READ_INTEGRITY is 'sure', and not REQUIRED"),
    ("COLLECTOR_HOST = $(X)\nX = $(COLLECTOR_HOST)\n", "COLLECTOR_HOST: the macros in '$(X)' lead"),
    ("COLLECTOR_HOST = $RANDOM_CHOICE(a,b)\n", "$RANDOM_CHOICE(a,b) is a function"),
    ("COLLECTOR_HOST = $(OPSYSVER)\n", "$(OPSYSVER) is found out by HTCondor itself"),
    ("if $(IP_ADDRESS)\nendif\n", "line 1: $(IP_ADDRESS) is found out"),
]


@pytest.mark.parametrize("text, sentence", REFUSALS, ids=[case[1][:40] for case in REFUSALS])
def test_refusals_name_the_place(tmp_path: Path, text: str, sentence: str) -> None:
    write(tmp_path, {"condor_config": text})
    with pytest.raises(SettingsError) as refused:
        read_config(host=host_in(tmp_path))
    assert sentence.replace("FOLDER", str(tmp_path)) in str(refused.value)
    if sentence.startswith("line"):
        assert str(refused.value).startswith(f"{tmp_path}/condor_config, ")


def test_too_many_files_are_refused(tmp_path: Path) -> None:
    text = "include : FOLDER/empty\n" * (MAX_FILES + 1)
    write(tmp_path, {"condor_config": text, "empty": ""})
    with pytest.raises(SettingsError, match=f"more than {MAX_FILES} files"):
        read_config(host=host_in(tmp_path))


def test_files_come_in_htcondors_order(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "condor_config": "LOCAL_CONFIG_DIR = FOLDER/d\nLOCAL_CONFIG_FILE = FOLDER/one\n",
            "d/20-b": "X = b\nLOCAL_CONFIG_DIR = FOLDER/d, FOLDER/e\n",
            "d/10-a": "X = a\ninclude : FOLDER/inc\n",
            "d/30-c.rpmnew": "nonsense",
            "d/sub/file": "nonsense",
            "inc": "I = 1\n",
            "one": "LOCAL_CONFIG_FILE = $(LOCAL_CONFIG_FILE) FOLDER/two\n",
            "two": "X = two\n",
            "e/z": "Z = 1\n",
            "home/.condor/user_config": "X = user\n",
        },
    )
    table, files, findings = read_table("TOOL", "", host_in(tmp_path, {"_CONDOR_X": "env $(X)"}))
    short = [os.path.relpath(one, tmp_path) for one in files]
    again = ["d/10-a", "inc", "d/20-b"]
    user = "home/.condor/user_config"
    assert short == ["condor_config", *again, "one", "two", *again, "e/z", user]
    assert table.value("X") == "env user"
    assert not findings


def test_root_has_no_file_of_a_user(tmp_path: Path) -> None:
    write(tmp_path, {"condor_config": "X = 1\n", "home/.condor/user_config": "X = 2\n"})
    assert read_table("TOOL", "", host_in(tmp_path, root=True))[0].value("X") == "1"


def test_files_may_be_missing_where_the_configuration_says_so(tmp_path: Path) -> None:
    text = "REQUIRE_LOCAL_CONFIG_FILE = false\nLOCAL_CONFIG_FILE = FOLDER/none\n"
    more = "include ifexist : FOLDER/none\nLOCAL_CONFIG_DIR = FOLDER/none\n"
    write(tmp_path, {"condor_config": text + more})
    assert len(read_config(host=host_in(tmp_path)).files) == 1


def test_the_environment_alone(tmp_path: Path) -> None:
    write(tmp_path, {"condor_config": "nonsense", "home/.condor/user_config": "nonsense"})
    names = {
        "CONDOR_CONFIG": "only_env",
        "_condor_COLLECTOR_HOST": " cm",
        "_CONDOR_collector_port": "1",
    }
    config = read_config(host=host_in(tmp_path, names))
    assert (config.collectors, config.collector_port, config.files) == (("cm",), 1, ())


def test_without_htcondor_there_are_its_defaults(tmp_path: Path) -> None:
    config = read_config(host=host_in(tmp_path, {"CONDOR_CONFIG": ""}))
    assert (config.collectors, config.collector_port, config.findings) == ((), 9618, ())


@pytest.mark.parametrize(
    "place, condor_home", [("etc/condor", ""), ("usr/local/etc", ""), ("var/condor", "var/condor")]
)
def test_the_first_file_is_found_in_its_usual_places(
    tmp_path: Path, place: str, condor_home: str
) -> None:
    write(tmp_path, {f"{place}/condor_config": "CONDOR_HOST = cm\n"})
    home = str(tmp_path / condor_home) if condor_home else ""
    config = read_config(host=Host(environ={}, condor_home=home, root=str(tmp_path)))
    assert config.collectors == ("cm",)


@pytest.mark.parametrize(
    "named, why",
    [("FOLDER", "is a directory"), ("FOLDER/none", "is not there"), ("/bin/cfg |", "not run")],
)
def test_a_first_file_that_cannot_be_one(tmp_path: Path, named: str, why: str) -> None:
    host = host_in(tmp_path, {"CONDOR_CONFIG": named.replace("FOLDER", str(tmp_path))})
    with pytest.raises(SettingsError, match=why):
        read_config(host=host)


def test_commands_are_never_run_and_always_named(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "condor_config": "include : touch FOLDER/ran |\n"
            "include command : touch FOLDER/ran\n"
            "include command into FOLDER/no : touch FOLDER/ran\n"
            "include output into FOLDER/cache : touch FOLDER/ran\n"
            "LOCAL_CONFIG_FILE = touch FOLDER/ran |\n",
            "cache": "CONDOR_HOST = cached\n",
        },
    )
    config = read_config(host=host_in(tmp_path))
    assert not (tmp_path / "ran").exists()
    assert config.condor_host == "cached"
    assert [one.line for one in config.findings] == [1, 2, 3, 0]
    assert all("not run" in str(one) for one in config.findings)


def test_what_is_not_understood_is_found(tmp_path: Path) -> None:
    text = "use feature:GPUs\nwarning : soon\nCONDOR_HOST = $(NOWHERE)\n"
    write(tmp_path, {"condor_config": text})
    found = [str(one) for one in read_config(host=host_in(tmp_path)).findings]
    place = f"{tmp_path}/condor_config, line"
    assert found[:2] == [
        f"{place} 1: what `use feature:GPUs` sets is not known here",
        f"{place} 2: warning: soon",
    ]
    assert "CONDOR_HOST uses $(NOWHERE), which is set nowhere" in found


# --- what the settings come to --------------------------------------------------------------------


def config_with(folder: Path, text: str) -> CondorConfig:
    return read_config(host=host_in(write(folder, {"condor_config": text})))


def test_the_recommended_security(tmp_path: Path) -> None:
    config = config_with(tmp_path, "use SECURITY : recommended($(x:a@b), c)\n")
    assert config.protection("DEFAULT").authentication == "REQUIRED"
    assert config.protection("ADVERTISE_STARTD").encryption == "REQUIRED"
    assert config.protection("READ").authentication == "OPTIONAL"
    assert config.protection("READ").encryption == "REQUIRED"
    assert config.protection("CLIENT").authentication == "OPTIONAL"
    assert config.protection("CLIENT").negotiation == "PREFERRED"
    assert config.protection("WRITE").authentication_methods[:2] == ("FS", "IDTOKENS")
    assert config.protection("WRITE").crypto_methods == ("AES", "BLOWFISH", "3DES")


def test_the_security_of_nine(tmp_path: Path) -> None:
    config = config_with(tmp_path, "@use security:recommended_v9_0\n")
    assert config.protection("READ").encryption == "OPTIONAL"
    assert config.protection("CLIENT").authentication == "REQUIRED"


def test_levels_fall_back(tmp_path: Path) -> None:
    text = (
        "SEC_DAEMON_ENCRYPTION = yes\nSEC_WRITE_INTEGRITY = never\nSEC_DEFAULT_NEGOTIATION = Pref\n"
    )
    config = config_with(tmp_path, text)
    assert config.protection("ADVERTISE_MASTER").encryption == "REQUIRED"
    assert config.protection("DAEMON").integrity == "OPTIONAL"
    host_based = config_with(tmp_path, text + "use security:host_based\n")
    assert host_based.protection("ADVERTISE_MASTER").integrity == "NEVER"


def test_methods_by_their_other_names(tmp_path: Path) -> None:
    config = config_with(tmp_path, "SEC_CLIENT_AUTHENTICATION_METHODS = token, fs TOKENS\n")
    assert config.protection("CLIENT").authentication_methods == ("IDTOKENS", "FS")


def test_a_personal_pool(tmp_path: Path) -> None:
    assert config_with(tmp_path, "use role:personal, execute\n").collectors == ("127.0.0.1:0",)


def test_several_collectors_and_what_is_made_of_others(tmp_path: Path) -> None:
    config = config_with(
        tmp_path,
        "COLLECTOR_HOST = cm1, cm2:9619\nLOCAL_DIR = /l\nENABLE_IPV6 = AUTO\nENABLE_IPV4 = no\n"
        "COLLECTOR_PORT = 1234\nPREFER_IPV4 = f\n",
    )
    assert config.collectors == ("cm1", "cm2:9619")
    assert config.daemon_socket_dir == "/l/log/daemon_sock"
    assert (config.enable_ipv6, config.enable_ipv4) == (None, False)
    assert (config.shared_port_port, config.prefer_outbound_ipv4) == (1234, False)
    assert config.pool_signing_key_file == "/l/passwords.d/POOL"
    assert config.private_network_name == config.trust_domain == "node7.example.org"


def test_the_page_about_it_names_every_setting() -> None:
    page = (Path(__file__).parents[3] / "docs/reference/condor-config.md").read_text()
    assert [name for name in SETTINGS if f"`{name}`" not in page] == []
