"""What a user may set: ``glasnost.toml``, overridden by ``GLASNOST_*``, overridden by flags.

Where things lie is `places`' to say; a setting may say otherwise.
"""

from __future__ import annotations

import ipaddress
import os
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from glasnost import places
from glasnost.errors import SettingsError
from glasnost.setups import SetupSetting
from glasnost.tables import (
    CondorSetting as CondorSetting,
)
from glasnost.tables import (
    ExitSetting as ExitSetting,
)
from glasnost.tables import (
    KnockSetting as KnockSetting,
)
from glasnost.tables import (
    Network as Network,
)
from glasnost.tables import (
    ProxySetting as ProxySetting,
)
from glasnost.tables import (
    SshSetting as SshSetting,
)
from glasnost.tables import (
    TlsSetting as TlsSetting,
)

if TYPE_CHECKING:
    from glasnost.core.routes import Policy

#: HTCondor's own shared port, on purpose: one hole in a firewall serves both.
DEFAULT_PORT = 9618

#: In ``advertise``: what the host has and listens on.
FOUND = "found"

#: Bytes of a user or password at a proxy (RFC 1929 has one byte for their length).
MAX_LOGIN = 255

#: The daemons of a host that have metrics, in the order of their ports.
METRICS_ROLES = ("agent", "broker", "directory", "authority")

#: Settings that are tables, and have no variable.
TABLES = frozenset(
    {"networks", "exits", "proxies", "tls", "ssh", "knocks", "sockets", "costs", "setups", "condor"}
)

#: Those of them that have a name each.
NAMED = {"tls": TlsSetting, "ssh": SshSetting, "knocks": KnockSetting, "setups": SetupSetting}


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Every setting; docs/reference/settings.md is made from here."""

    #: The shared port's number; 0 lets the system choose one.
    port: int = DEFAULT_PORT
    #: The addresses to listen on.
    listen: tuple[str, ...] = ("0.0.0.0", "::")
    #: The path at which the shared port takes WebSockets, such as "/glasnost", for a front that
    #: lets nothing else through; none: it takes no WebSocket.
    websocket: str = ""
    #: Named networks this host is on, nearest first.
    networks: tuple[Network, ...] = ()
    #: Full or short names of brokers to register with; empty: those that the directory lists.
    brokers: tuple[str, ...] = ()
    #: At how many of the listed brokers to register.
    broker_count: int = 2
    #: Seconds until the next attempt of a race begins (RFC 8305: 0.01 to 2).
    attempt_delay: float = 0.25
    #: Seconds of silence after which the other side of a control connection (agent, broker,
    #: directory) is taken for dead (1 to 3600); it is asked whether it is there twice before.
    dead_after: float = 40.0
    #: Whether this host uses the protocol; "auto": if it has an address of it that others can
    #: use (no loopback, not link-local). `true` where there is none is an error.
    enable_ipv4: bool | Literal["auto"] = "auto"
    enable_ipv6: bool | Literal["auto"] = "auto"
    #: What is published as this host's addresses, in this order. "found" stands for those that it
    #: has and listens on; others are IP addresses ("203.0.113.9", "[2001:db8::7]:4000"; without a
    #: port it is ours) or routes ("lab/ip4:10.0.0.7:9618") that lead to its port, as a router's
    #: forwarded port does.
    advertise: tuple[str, ...] = ("found",)
    #: Ways out that the host cannot be seen to have. Where the settings have none, not even
    #: `exits = []`, the proxy that `HTTPS_PROXY` or else `ALL_PROXY` names is one
    #: (`http://user:password@host:port`; also `https`, `socks5`), except for what `NO_PROXY` lists.
    #: What the host reaches without a proxy it goes on reaching so.
    exits: tuple[ExitSetting, ...] = ()
    #: Logins at proxies.
    proxies: tuple[ProxySetting, ...] = ()
    #: Where unix sockets that routes name may lie, beside our own, and who owns them there:
    #: {"/run/postgresql" = "postgres", "@backup-*" = "root"} is a directory and abstract names.
    sockets: dict[str, str] = {}
    #: How to speak TLS to servers that routes name: `[tls."gate.example.org"]`. Without one: as a
    #: browser does.
    tls: dict[str, TlsSetting] = {}
    #: How to log in at the jump hosts that routes name: `[ssh.gate]`.
    ssh: dict[str, SshSetting] = {}
    #: What is done where a route says ``knock:NAME``: `[knocks.fw-7]`.
    knocks: dict[str, KnockSetting] = {}
    #: What is brought up for an exit with ``via = "setup:NAME"``, and taken down after its last
    #: connection: `[setups.lab-vpn]`.
    setups: dict[str, SetupSetting] = {}
    #: Networks whose routes are tried first, in order; "*" at the end stands for any end.
    prefer: tuple[str, ...] = ()
    #: Networks whose routes are tried last.
    avoid: tuple[str, ...] = ()
    #: What connections over a network cost next to others: {"cell.*" = 5}.
    costs: dict[str, float] = {}
    #: The protocol to try first where nothing else decides.
    prefer_protocol: Literal["ip4", "ip6"] = "ip6"
    #: Whether our connections may be relayed by a broker, and whether we meet targets half-way.
    relay: bool = True
    meet: bool = True
    #: Whether HTCondor's programs are served, and how; without the table they are not.
    condor: CondorSetting | None = None
    #: Where sockets lie.
    run: str = ""
    #: Where Prometheus may ask: "127.0.0.1:9619", or a port of this machine alone; empty: nowhere.
    #: It is the agent's (and that of `up`); a broker, a directory and an authority on the same host
    #: are asked at the next three ports. Whoever reaches it may read: there is no password.
    metrics: str = ""
    #: What daemons log: lines of a sentence and its facts ("text"), or of a JSON object ("json").
    log: Literal["text", "json"] = "text"
    #: From which level on; "debug" writes everything, however often it happens, as `-v` does.
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    def __post_init__(self) -> None:
        for network in self.networks:
            _check_network(network)
        if not 0 <= self.port <= 65535:
            raise ValueError(f"port {self.port} is not between 0 and 65535")
        for text in self.listen:
            ipaddress.ip_address(text)
        if self.websocket and not re.fullmatch(r"/[!-\"$-~]*", self.websocket):
            raise ValueError(f"websocket {self.websocket!r} is no path: visible ASCII after a /")
        for place in self.sockets:
            if not place.startswith(("/", "@")):
                raise ValueError(f"sockets {place!r} is neither a whole path nor an @abstract name")
        _check_planning(self)
        if self.metrics:
            read_place(self.metrics)
        if self.broker_count < 0:
            raise ValueError(f"broker_count {self.broker_count} is negative")
        if not 0.01 <= self.attempt_delay <= 2:
            raise ValueError(f"attempt_delay {self.attempt_delay} is not between 0.01 and 2")
        if not 1 <= self.dead_after <= 3600:
            raise ValueError(f"dead_after {self.dead_after} is not between 1 and 3600")

    def metrics_place(self, role: str) -> tuple[str, int] | None:
        """Where this role of the host is asked for metrics, if it is."""
        if not self.metrics:
            return None
        host, port = read_place(self.metrics)
        return host, port + METRICS_ROLES.index(role) if port else 0

    def with_networks(self, names: Iterable[str]) -> Settings:
        """With networks that the node was told it is on, by flag or when it joined. Where the
        settings say themselves how such a network is recognised, that holds.

        Raises `SettingsError` for a text that cannot be a network's name.
        """
        known = {network.name for network in self.networks}
        told = tuple(Network(name) for name in dict.fromkeys(names) if name not in known)
        try:
            return msgspec.structs.replace(self, networks=(*self.networks, *told))
        except ValueError as error:
            raise SettingsError(str(error)) from None

    def public_ranges(self) -> tuple[str, ...]:
        """What these settings call public beyond what is globally routable anyway."""
        from glasnost.core.address import PUBLIC

        mine = (network.ranges for network in self.networks if network.name == PUBLIC)
        return tuple(text for ranges in mine for text in ranges)

    def policy(self) -> Policy:
        """What planning must know of these settings. Raises ``ValueError``."""
        from glasnost.core.routes import Policy

        return Policy(
            prefer=self.prefer,
            avoid=self.avoid,
            costs=self.costs,
            protocol=self.prefer_protocol,
            relay=self.relay,
            meet=self.meet,
        )

    def enables(self, protocol: str) -> bool | Literal["auto"]:
        """The setting of one IP protocol."""
        return self.enable_ipv6 if protocol == "ip6" else self.enable_ipv4


def home_directory() -> Path:
    """Where keys and settings lie."""
    return Path(places.home())


def run_directory(settings: Settings | None = None) -> Path:
    """Where sockets lie."""
    return Path(places.run(settings.run if settings is not None else ""))


def settings_file(home: Path) -> Path:
    """Where settings are read from: ``GLASNOST_CONFIG``, or ``glasnost.toml`` in ``home``."""
    return Path(places.settings_file(home))


def load_settings(home: Path, **flags: Any) -> Settings:
    """``glasnost.toml`` in ``home``, then ``GLASNOST_*``, then ``flags`` (None: not given); a proxy
    that the environment tells all programs of, where no exits are set.

    Raises `SettingsError` with the field, and whether the file, the variable or the flag says so.
    """
    path = settings_file(home)
    values: dict[str, Any] = {}
    try:
        values = tomllib.loads(path.read_text())
    except FileNotFoundError:
        if "GLASNOST_CONFIG" in os.environ:
            raise SettingsError(f"there is no settings file {path}") from None
    except OSError as error:
        raise SettingsError(f"cannot read {path}: {(error.strerror or '').lower()}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise SettingsError(f"{path}: {error}") from None
    settings = _with(Settings(), values, str(path))
    for name, value in _environment().items():
        settings = _with(settings, {name: value}, f"GLASNOST_{name.upper()}")
    for name, flag in flags.items():
        if flag is not None:
            settings = _with(settings, {name: flag}, f"--{name.replace('_', '-')}")
    return settings if "exits" in values else _with_proxy(settings)


def _with(settings: Settings, values: dict[str, Any], source: str) -> Settings:
    """``settings`` with some values replaced, checked as a whole."""
    try:
        return msgspec.convert(msgspec.structs.asdict(settings) | values, Settings, strict=False)
    except ValueError as error:  # msgspec's own is one
        raise SettingsError(f"{source}: {_in_its_table(values) or error}") from None


def _in_its_table(values: dict[str, Any]) -> str:
    """What is wrong with the first named table that something is, and its name, which msgspec does
    not say."""
    for kind, table in NAMED.items():
        found = values.get(kind)
        for name, one in found.items() if isinstance(found, dict) else ():
            try:
                msgspec.convert(one, table, strict=False)
            except ValueError as error:
                return f"[{kind}.{name}]: {error}"
    return ""


def _with_proxy(settings: Settings) -> Settings:
    """With the proxy that the environment tells all programs of."""
    if not any(one.lower().endswith("_proxy") for one in os.environ):
        return settings
    from glasnost.core.routes import proxy_variables

    try:
        source, found = proxy_variables.settings_of(os.environ)
    except ValueError as error:
        raise SettingsError(str(error)) from None
    # What the settings say of the same place stands first, and so counts.
    logins = [*settings.proxies, *found.pop("proxies", ())]
    return _with(settings, {**found, "proxies": logins}, source)


def read_place(text: str, lowest: int = 0) -> tuple[str, int]:
    """``[HOST:]PORT`` as a pair; without HOST it is this machine. Raises ``ValueError``."""
    host, colon, number = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f"{text!r}: an IPv6 address stands in brackets, as in [::1]:8000")
    if not (number.isascii() and number.isdigit()) or (colon and not host):
        raise ValueError(f"{text!r} is not [HOST:]PORT")
    if not lowest <= int(number) <= 65535:
        raise ValueError(f"{number} is no port ({lowest} to 65535)")
    return host or "127.0.0.1", int(number)


def is_network_name(text: str) -> bool:
    """Whether a network can be called so."""
    return bool(text) and set(text) <= set("abcdefghijklmnopqrstuvwxyz0123456789._-")


def _environment() -> dict[str, Any]:
    """``GLASNOST_PORT=1`` and the like; lists are separated by spaces."""
    found: dict[str, Any] = {}
    for field in msgspec.structs.fields(Settings):
        text = os.environ.get("GLASNOST_" + field.name.upper())
        if text is None or field.name in TABLES:
            continue
        found[field.name] = text.split() if isinstance(field.default, tuple) else text
    return found


def _check_planning(settings: Settings) -> None:
    """What planning reads; nothing of it is imported for a program that sets nothing of it."""
    for number, way_out in enumerate(settings.exits, 1):
        try:
            way_out.exits()
        except ValueError as error:
            raise ValueError(f"exit {way_out.name or number}: {error}") from None
    if settings.proxies:
        from glasnost.core.address import Stage

        for proxy in settings.proxies:
            if str(Stage.parse(proxy.at)) != proxy.at:
                raise ValueError(f"proxy {proxy.at}: it is written {Stage.parse(proxy.at)}")
            _check_login(proxy)
    if settings.advertise != (FOUND,):
        from glasnost.core.routes.advertised import advertised

        for text in settings.advertise:
            if text != FOUND:
                advertised(text)
    if settings.prefer or settings.avoid or settings.costs:
        settings.policy()


def _check_login(proxy: ProxySetting) -> None:
    if proxy.password and proxy.password_file:
        raise ValueError(f"proxy {proxy.at}: a password, or a file that it stands in, not both")
    for text in (proxy.user, proxy.password):
        if len(text.encode()) > MAX_LOGIN:
            raise ValueError(f"proxy {proxy.at}: user and password have {MAX_LOGIN} bytes at most")


def _check_network(network: Network) -> None:
    if not is_network_name(network.name):
        raise ValueError(f"network {network.name!r}: letters a-z, digits, '.', '_', '-' only")
    for text in network.ranges:
        ipaddress.ip_network(text, strict=False)
