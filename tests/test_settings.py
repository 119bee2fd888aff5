"""Settings: the file, then the environment, then flags; and whose fault it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from glasnost import places
from glasnost.core.address import Landing, Stage
from glasnost.core.routes import Exit, Policy
from glasnost.errors import SettingsError
from glasnost.settings import (
    DEFAULT_PORT,
    Network,
    Settings,
    home_directory,
    load_settings,
    run_directory,
)


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {"HOME", "CONFIG", *(field.name.upper() for field in msgspec.structs.fields(Settings))}
    for name in names:
        monkeypatch.delenv(f"GLASNOST_{name}", raising=False)
    for name in ("XDG_STATE_HOME", "XDG_RUNTIME_DIR", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)


def written(home: Path, text: str) -> Path:
    (home / "glasnost.toml").write_text(text)
    return home


def test_without_a_file_everything_has_a_default(tmp_path: Path) -> None:
    assert load_settings(tmp_path) == Settings()
    assert Settings().port == DEFAULT_PORT == 9618


def test_a_file_says_much(tmp_path: Path) -> None:
    text = """
        port = 4000
        listen = ["127.0.0.1", "::1"]
        brokers = ["broker.gate"]
        attempt_delay = 0.1
        enable_ipv6 = false

        [[networks]]
        name = "lab"
        ranges = ["10.8.0.0/16"]

        [[networks]]
        name = "site.example.com"
        interface = "eth1"
    """
    assert load_settings(written(tmp_path, text)) == Settings(
        port=4000,
        listen=("127.0.0.1", "::1"),
        brokers=("broker.gate",),
        attempt_delay=0.1,
        enable_ipv6=False,
        networks=(
            Network("lab", ranges=("10.8.0.0/16",)),
            Network("site.example.com", interface="eth1"),
        ),
    )


def test_flags_stand_before_variables_and_those_before_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = written(tmp_path, "port = 1\nbroker_count = 1\nattempt_delay = 1.0")
    monkeypatch.setenv("GLASNOST_PORT", "2")
    monkeypatch.setenv("GLASNOST_BROKER_COUNT", "2")
    found = load_settings(home, port=3, broker_count=None)
    assert (found.port, found.broker_count, found.attempt_delay) == (3, 2, 1.0)


VARIABLES = [
    ("LISTEN", "127.0.0.1 ::1", {"listen": ("127.0.0.1", "::1")}),
    ("BROKERS", "", {"brokers": ()}),
    ("ENABLE_IPV4", "false", {"enable_ipv4": False}),
    ("ENABLE_IPV4", "0", {"enable_ipv4": False}),
    ("ENABLE_IPV6", "auto", {"enable_ipv6": "auto"}),
    ("ENABLE_IPV6", "true", {"enable_ipv6": True}),
    ("PREFER", "lab site.*", {"prefer": ("lab", "site.*")}),
    ("PREFER_PROTOCOL", "ip4", {"prefer_protocol": "ip4"}),
    ("ADVERTISE", "203.0.113.9 found", {"advertise": ("203.0.113.9", "found")}),
    ("RELAY", "false", {"relay": False}),
    ("ATTEMPT_DELAY", "0.5", {"attempt_delay": 0.5}),
    ("RUN", "/run/here", {"run": "/run/here"}),
]


@pytest.mark.parametrize("name, text, values", VARIABLES)
def test_a_variable_is_text(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    text: str,
    values: dict[str, Any],
) -> None:
    monkeypatch.setenv(f"GLASNOST_{name}", text)
    assert load_settings(tmp_path) == Settings(**values)


def test_settings_say_how_to_plan(tmp_path: Path) -> None:
    text = """
        prefer = ["lab", "site.*"]
        avoid = ["cell"]
        prefer_protocol = "ip4"
        relay = false
        meet = false
        enable_ipv6 = "auto"

        [costs]
        "cell.*" = 5

        [[exits]]
        name = "campus"
        via = "ip4:10.8.0.1:1080/socks5"
        lands = ["ip4@public"]
        cost = 2.5
        source = "10.8.0.5"
    """
    found = load_settings(written(tmp_path, text))
    assert found.policy() == Policy(
        ("lab", "site.*"), ("cell",), {"cell.*": 5}, "ip4", relay=False, meet=False
    )
    stages = (Stage.ip("10.8.0.1", 1080), Stage("socks5"))
    assert found.exits[0].exits() == [
        Exit(Landing("ip4", "public"), stages, 2.5, "10.8.0.5", name="campus")
    ]
    assert (found.enables("ip4"), found.enables("ip6")) == ("auto", "auto")
    assert Settings(enable_ipv4=True, enable_ipv6=False).enables("ip6") is False
    assert Settings().policy() == Policy()


WRONG = [
    ("port = 70000", "port 70000 is not between 0 and 65535"),
    ("port = 'high'", "$.port"),
    ("attempt_delay = 5", "attempt_delay 5.0 is not between 0.01 and 2"),
    ("attempt_delay = nan", "attempt_delay nan is not between"),
    ("broker_count = -1", "broker_count -1 is negative"),
    ("listen = ['localhost']", "'localhost' does not appear to be an IPv4 or IPv6 address"),
    ("colour = 'red'", "unknown field `colour`"),
    ("[[networks]]\nname = 'Lab'", "network 'Lab': letters a-z"),
    ("[[networks]]\nname = ''", "network ''"),
    ("[[networks]]\nname = 'lab'\nranges = ['10.8']", "'10.8' does not appear to be"),
    ("[[networks]]\nname = 'lab'\nrange = []", "unknown field `range`"),
    ("port = ", "Invalid value"),
    ('[ssh.gate]\nuser = "ann"\n[ssh.b]\n', "[ssh.b]: Object missing required field `user`"),
    ('[tls."g.example.org"]\npin = "zz"\n', "[tls.g.example.org]: a pin is a SHA-256"),
    ('[setups.vpn]\nrun = "openvpn"\n', "[setups.vpn]: Expected `array`, got `str` - at `$.run`"),
    ('[knocks.fw]\nports = ["7/tcp"]\n', "[knocks.fw]: Object missing required field `hosts`"),
    ('ssh = "gate"\n', "Expected `object`, got `str` - at `$.ssh`"),
    ('[sockets]\n"postgresql" = "root"\n', "sockets 'postgresql' is neither a whole path"),
]


@pytest.mark.parametrize("text, why", WRONG)
def test_what_is_wrong_in_a_file_is_told_with_its_name(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(SettingsError) as error:
        load_settings(written(tmp_path, text))
    assert str(error.value).startswith(f"{tmp_path}/glasnost.toml: ")
    assert why in str(error.value)


def test_a_wrong_variable_and_a_wrong_flag_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SettingsError, match=r"^--attempt-delay: attempt_delay 9\.0 is not"):
        load_settings(tmp_path, attempt_delay=9)
    monkeypatch.setenv("GLASNOST_PORT", "high")
    with pytest.raises(SettingsError, match=r"^GLASNOST_PORT: "):
        load_settings(tmp_path)


def test_files_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "glasnost.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match=r"glasnost\.toml"):
        load_settings(tmp_path)
    monkeypatch.setenv("GLASNOST_CONFIG", str(tmp_path / "other.toml"))
    with pytest.raises(SettingsError, match="there is no settings file"):
        load_settings(tmp_path)
    (tmp_path / "other.toml").write_text("port = 5")
    assert load_settings(tmp_path).port == 5


def test_the_settings_file_lies_in_the_home_or_where_it_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert places.settings_file("/home/alice") == "/home/alice/glasnost.toml"
    monkeypatch.setenv("GLASNOST_CONFIG", "/etc/other.toml")
    assert places.settings_file("/home/alice") == "/etc/other.toml"


def test_home_and_run_have_their_usual_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.getuid", lambda: 1000)
    monkeypatch.setenv("HOME", "/home/alice")
    assert home_directory() == Path("/home/alice/.local/state/glasnost")
    assert run_directory() == Path("/home/alice/.local/state/glasnost/run")
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/1000")
    assert home_directory() == Path("/state/glasnost")
    assert run_directory() == Path("/run/user/1000/glasnost")
    monkeypatch.setenv("GLASNOST_HOME", "/keys")
    monkeypatch.setenv("GLASNOST_RUN", "/sockets")
    assert (home_directory(), run_directory()) == (Path("/keys"), Path("/sockets"))
    assert run_directory(Settings(run="/here")) == Path("/here")
    assert run_directory(Settings()) == Path("/sockets")


PROXY = "http://ann:secret@198.51.100.4:3128"


def test_a_proxy_of_the_environment_is_an_exit_with_its_login(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", PROXY)
    monkeypatch.setenv("NO_PROXY", "10.0.0.0/8")
    settings = load_settings(tmp_path)
    (way_out,), (proxy,) = settings.exits, settings.proxies
    assert (way_out.via, way_out.name) == ("ip4:198.51.100.4:3128/http-connect", "HTTPS_PROXY")
    assert [str(one.lands) for one in way_out.exits()] == ["ip6@public", "ip4@public"]
    assert [one.not_for for one in way_out.exits()] == [("10.0.0.0/8",)] * 2
    assert (proxy.at, proxy.login()) == ("ip4:198.51.100.4:3128", ("ann", "secret"))


@pytest.mark.parametrize(
    ("file", "exits"),
    [
        ("exits = []\n", []),
        ('[[exits]]\nlands = ["ip4@lab"]\n', [""]),
        ("port = 1\n", ["ip4:198.51.100.4:3128/http-connect"]),
    ],
)
def test_exits_of_the_settings_stand_instead_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, exits: list[str]
) -> None:
    (tmp_path / "glasnost.toml").write_text(file)
    monkeypatch.setenv("HTTPS_PROXY", PROXY)
    assert [one.via for one in load_settings(tmp_path).exits] == exits


def test_a_login_of_the_settings_counts_at_the_proxy_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "glasnost.toml").write_text(
        '[[proxies]]\nat = "ip4:198.51.100.4:3128"\nuser = "bob"\n'
    )
    monkeypatch.setenv("HTTPS_PROXY", PROXY)
    assert [one.user for one in load_settings(tmp_path).proxies] == ["bob", "ann"]


def test_a_variable_that_names_no_proxy_is_named_and_no_password_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks4://ann:secret@198.51.100.4")
    with pytest.raises(SettingsError, match=r"^ALL_PROXY: proxies of the kind socks4") as caught:
        load_settings(tmp_path)
    assert "secret" not in str(caught.value)
    # Where exits are set, nobody reads it.
    (tmp_path / "glasnost.toml").write_text("exits = []\n")
    assert load_settings(tmp_path) == Settings()


def test_roots_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.getuid", lambda: 0)
    assert home_directory() == Path("/var/lib/glasnost")
    assert run_directory() == Path("/run/glasnost")


HELD = [
    (Network("lab", ranges=("10.8.0.0/16",)), "eth0", "10.8.1.2", True),
    (Network("lab", ranges=("10.8.0.0/16",)), "eth0", "10.9.1.2", False),
    (Network("lab", ranges=("10.8.0.0/16",)), "eth0", "fd00::1", False),
    (Network("lab", ranges=("10.8.0.7/16", "fd00::/8")), "eth0", "fd00::1", True),
    (Network("lab", interface="wg0"), "wg0", "8.8.8.8", True),
    (Network("lab", interface="wg0"), "eth0", "10.0.0.1", False),
    (Network("lab", interface="wg0", ranges=("10.8.0.0/16",)), "wg0", "10.9.0.1", False),
    (Network("lab"), "eth0", "192.168.1.1", True),
    (Network("lab"), "eth0", "8.8.8.8", False),
]


@pytest.mark.parametrize("network, interface, address, held", HELD)
def test_a_network_knows_its_addresses(
    network: Network, interface: str, address: str, held: bool
) -> None:
    assert network.holds(interface, address) is held


def test_networks_that_a_node_was_told_of_do_not_replace_its_own() -> None:
    own = Network("lab", interface="wg0")
    found = Settings(networks=(own,)).with_networks(["site", "lab", "site"])
    assert found.networks == (own, Network("site"))


def test_what_settings_call_public_is_told_by_ranges_alone() -> None:
    networks = (
        Network("lab", ranges=("10.0.0.0/8",)),
        Network("public", ranges=("198.51.100.0/24",)),
        Network("public", interface="eth0"),
        Network("public", ranges=("2001:db8::/32", "203.0.113.0/24")),
    )
    found = Settings(networks=networks).public_ranges()
    assert found == ("198.51.100.0/24", "2001:db8::/32", "203.0.113.0/24")
    assert Settings().public_ranges() == ()
