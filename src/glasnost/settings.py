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

if TYPE_CHECKING:
    from glasnost.core.routes import Exit, Policy

#: HTCondor's own shared port, on purpose: one hole in a firewall serves both.
DEFAULT_PORT = 9618

#: In ``advertise``: what the host has and listens on.
FOUND = "found"

#: Bytes of a user or password at a proxy (RFC 1929 has one byte for their length).
MAX_LOGIN = 255

#: Ports of one knock: what any firewall asks for, and no port scan.
MAX_KNOCKS = 32
#: The longest that a knock may wait at one port, seconds: a connect has 15 for everything.
MAX_KNOCK_TIME = 5.0
#: The daemons of a host that have metrics, in the order of their ports.
METRICS_ROLES = ("agent", "broker", "directory", "authority")

#: Settings that are tables, and have no variable.
TABLES = frozenset(
    {"networks", "exits", "proxies", "tls", "ssh", "knocks", "sockets", "costs", "setups", "condor"}
)


class Network(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One ``[[networks]]``: which of this host's addresses are on the network ``name``.

    By ``interface`` (its name) or ``ranges`` (``["10.8.0.0/16"]``); with neither, every address
    of this host that is not public.
    """

    name: str
    interface: str | None = None
    ranges: tuple[str, ...] = ()

    def holds(self, interface: str, address: str) -> bool:
        """Whether an address of this host is on the network."""
        parsed = ipaddress.ip_address(address)
        if self.interface is None and not self.ranges:
            return not parsed.is_global
        if self.interface is not None and self.interface != interface:
            return False
        return not self.ranges or self.covers(address)

    def covers(self, address: str) -> bool:
        """Whether any address, not only ours, lies in one of the ranges."""
        parsed = ipaddress.ip_address(address)
        return any(parsed in ipaddress.ip_network(text, strict=False) for text in self.ranges)


class ExitSetting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One ``[[exits]]``: a way out that this host cannot be seen to have, such as a proxy.

    Exits whose stages nobody here can cross are kept, and `glasnost explain` says so.
    """

    #: Where it comes out: `["ip4@public"]`.
    lands: tuple[str, ...]
    #: What it is called in explanations.
    name: str = ""
    #: The stages crossed on our own, such as `"ip4:10.8.0.1:1080/socks5"`; none: it is direct.
    via: str = ""
    #: What a connection over it costs next to others, from 0 on.
    cost: float = 0
    #: The address to connect from, where the system shall not choose.
    source: str | None = None
    #: Where it is not used for what a route begins at: `["10.0.0.0/8", "lab.example.org"]` are
    #: addresses, ranges, and names with all below them.
    not_for: tuple[str, ...] = ()

    def exits(self) -> list[Exit]:
        """The exits that planning sees, one for each landing. Raises ``ValueError``."""
        from glasnost.core.routes import Exit

        if not self.lands:
            raise ValueError("it lands nowhere")
        rest = msgspec.structs.asdict(self) | {"stages": self.via.split("/") if self.via else []}
        return [Exit.from_dict(rest | {"lands": text}) for text in self.lands]


class ProxySetting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One ``[[proxies]]``: how to log in at a SOCKS5 or HTTP proxy."""

    #: Where it is, as routes and exits write it: `"ip4:10.8.0.1:1080"`.
    at: str
    user: str
    password: str = ""
    #: A file whose first line is the password, so that it need not stand here.
    password_file: str = ""

    def login(self) -> tuple[str, str]:
        """User and password. Raises `SettingsError` where the file cannot be read."""
        if not self.password_file:
            return self.user, self.password
        try:
            return self.user, Path(self.password_file).read_text().partition("\n")[0].strip("\r")
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is no text"
            raise SettingsError(f"cannot read {self.password_file}: {why}") from None


class TlsSetting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One ``[tls."NAME"]``: how to speak TLS to the server that a route names so."""

    #: A file with the authorities to believe; none: the system's.
    authorities: str = ""
    #: The SHA-256 of the server's own certificate, in hexadecimal: then nobody else's word counts.
    pin: str = ""
    #: The name to ask for, where it is not the server's (SNI).
    ask_for: str = ""
    #: What to offer to speak inside (ALPN), best first: `["h2", "http/1.1"]`.
    protocols: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.pin and not re.fullmatch(r"[0-9a-f]{64}", self.pin):
            raise ValueError("a pin is a SHA-256 in 64 lower-case hexadecimal digits")
        if not all(0 < len(one.encode()) < 256 for one in self.protocols):
            raise ValueError("a protocol to offer has 1 to 255 bytes")


class SshSetting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One ``[ssh.NAME]``: how to log in at the jump host that a route names so.

    By OpenSSH's own client, which reads no settings but these, and asks nobody: a key has no
    passphrase, or is an agent's.
    """

    user: str
    #: What ``known_hosts`` calls the server: "gate.example.org", "[gate.example.org]:2222". None:
    #: NAME. An address says where the server is, never who it is.
    host: str = ""
    #: The file of the key to log in with. None: those of the agent, and those that ``ssh`` tries
    #: by itself, such as `~/.ssh/id_ed25519`.
    identity: str = ""
    #: The socket of the ``ssh-agent``. None: what `SSH_AUTH_SOCK` says.
    agent: str = ""
    #: The file of the host keys to believe. None: ``ssh``'s own, `~/.ssh/known_hosts` and
    #: `/etc/ssh/ssh_known_hosts`.
    known_hosts: str = ""
    #: The host key itself, as in the server's `ssh_host_ed25519_key.pub`: "ssh-ed25519 AAAA...".
    #: Then no file counts.
    host_key: str = ""
    #: Whether to believe whatever key a server shows that ``known_hosts`` does not have yet, and
    #: write it there. One that has changed is refused all the same.
    trust_new: bool = False

    def __post_init__(self) -> None:
        # The client's settings have a language of their own, in which these letters say more.
        if not re.fullmatch(r"[^\s\"'\\$`-][^\s\"'\\$`]*", self.user):
            raise ValueError(f"{self.user!r} is no user to log in as")
        if not re.fullmatch(r"[\w.:\[\]-]*", self.host, re.ASCII):
            raise ValueError(f"{self.host!r} is no name that known_hosts can have")
        for file in (self.identity, self.agent, self.known_hosts):
            if file and not re.fullmatch(r"~?/[^\0-\x1f\"\\$]*", file):
                raise ValueError(f"{file!r} is no file's whole path without quotes, \\ and $")
        if not re.fullmatch(r"([a-z0-9@.-]+ [A-Za-z0-9+/]+=*)?", self.host_key):
            raise ValueError('a host key is written "ssh-ed25519 AAAA...", without a name')
        if self.host_key and (self.known_hosts or self.trust_new):
            raise ValueError("with a host_key, known_hosts and trust_new have no say")


class KnockSetting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One ``[knocks.NAME]``: what a firewall wants to see before it lets us in."""

    #: The ports, in order: `["7000/tcp", "8000/udp"]`.
    ports: tuple[str, ...]
    #: Seconds after each, so that they arrive in this order; and after the last, so that the
    #: firewall is done.
    delay: float = 0.05
    wait: float = 0.1

    def __post_init__(self) -> None:
        if not 1 <= len(self.ports) <= MAX_KNOCKS:
            raise ValueError(f"a knock is at 1 to {MAX_KNOCKS} ports, not {len(self.ports)}")
        self.sequence()
        if not (0 <= self.delay <= MAX_KNOCK_TIME and 0 <= self.wait <= MAX_KNOCK_TIME):
            raise ValueError(f"a knock's delay and wait are from 0 to {MAX_KNOCK_TIME:g} seconds")

    def sequence(self) -> list[tuple[int, str]]:
        """Ports with their protocols, ``tcp`` or ``udp``."""
        return [_port_of(text) for text in self.ports]


def _port_of(text: str) -> tuple[int, str]:
    number, _, protocol = text.partition("/")
    digits = number.isascii() and number.isdecimal()
    if not digits or not 0 < int(number) < 65536 or protocol not in ("tcp", "udp"):
        raise ValueError(f'a port to knock at is written "7000/tcp" or "8000/udp", not {text!r}')
    return int(number), protocol


class CondorSetting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[condor]``: this host's port serves HTCondor's programs too. The table has to be there,
    and may be empty; what is set here has a name in HTCondor's own settings, in capital letters.
    """

    #: Where HTCondor's daemons on this host have their sockets (DAEMON_SOCKET_DIR): the port hands
    #: them their connections. Empty: there are none.
    sockets: str = ""
    #: The file in which they look for their public address (SHARED_PORT_DAEMON_AD_FILE), written
    #: at start and when it changes. Empty: it is not written.
    port_ad: str = ""
    #: The host's name in that address, which TLS certificates are held against (HOST_ALIAS).
    alias: str = ""
    #: Who is called by those who name nobody (SHARED_PORT_DEFAULT_ID).
    default_id: str = "collector"
    #: Who is given what speaks HTTP or TLS (SHARED_PORT_HTTP_FORWARDING_ID). Empty: nobody.
    http_id: str = ""


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
        raise SettingsError(f"{source}: {error}") from None


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
