"""What a user may set: ``glasnost.toml``, overridden by ``GLASNOST_*``, overridden by flags.

And where things lie: the state directory holds keys and what a node was told when it joined, the
run directory holds sockets.
"""

from __future__ import annotations

import ipaddress
import os
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from glasnost.errors import SettingsError

#: HTCondor's own shared port, on purpose: one hole in a firewall serves both.
DEFAULT_PORT = 9618


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


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Every setting; docs/reference/settings.md is made from here."""

    #: The shared port's number; 0 lets the system choose one.
    port: int = DEFAULT_PORT
    #: The addresses to listen on.
    listen: tuple[str, ...] = ("0.0.0.0", "::")
    #: Named networks this host is on, nearest first.
    networks: tuple[Network, ...] = ()
    #: Full or short names of brokers to register with; empty: those that the directory lists.
    brokers: tuple[str, ...] = ()
    #: At how many of the listed brokers to register.
    broker_count: int = 2
    #: Seconds until the next attempt of a race begins (RFC 8305: 0.01 to 2).
    attempt_delay: float = 0.25
    #: Whether this host may use the protocol.
    enable_ipv4: bool = True
    enable_ipv6: bool = True
    #: Where sockets lie.
    run: str = ""

    def __post_init__(self) -> None:
        for network in self.networks:
            _check_network(network)
        if not 0 <= self.port <= 65535:
            raise ValueError(f"port {self.port} is not between 0 and 65535")
        if not 0.01 <= self.attempt_delay <= 2:
            raise ValueError(f"attempt_delay {self.attempt_delay} is not between 0.01 and 2")

    def with_networks(self, names: Iterable[str]) -> Settings:
        """With networks that the node was told it is on, by flag or when it joined. Where the
        settings say themselves how such a network is recognised, that holds."""
        known = {network.name for network in self.networks}
        told = tuple(Network(name) for name in dict.fromkeys(names) if name not in known)
        return msgspec.structs.replace(self, networks=(*self.networks, *told))


def home_directory() -> Path:
    """Where keys and settings lie: ``GLASNOST_HOME``, or the system's usual place."""
    if home := os.environ.get("GLASNOST_HOME"):
        return Path(home)
    if os.getuid() == 0:
        return Path("/var/lib/glasnost")
    state = os.environ.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state") / "glasnost"


def run_directory(settings: Settings | None = None) -> Path:
    """Where sockets lie: the setting, ``GLASNOST_RUN``, or the system's usual place."""
    if settings is not None and settings.run:
        return Path(settings.run)
    if run := os.environ.get("GLASNOST_RUN"):
        return Path(run)
    if runtime := os.environ.get("XDG_RUNTIME_DIR"):
        return Path(runtime) / "glasnost"
    return Path("/run/glasnost") if os.getuid() == 0 else home_directory() / "run"


def load_settings(home: Path, **flags: Any) -> Settings:
    """``glasnost.toml`` in ``home``, then ``GLASNOST_*``, then ``flags`` (None: not given).

    Raises `SettingsError` with the file and the field.
    """
    path = Path(os.environ.get("GLASNOST_CONFIG", home / "glasnost.toml"))
    values: dict[str, Any] = {}
    try:
        values = tomllib.loads(path.read_text())
    except FileNotFoundError:
        if "GLASNOST_CONFIG" in os.environ:
            raise SettingsError(f"there is no settings file {path}") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{path}: {error}") from None
    values |= _environment() | {key: flag for key, flag in flags.items() if flag is not None}
    try:
        return msgspec.convert(values, Settings, strict=False)
    except (msgspec.ValidationError, ValueError) as error:
        raise SettingsError(f"{path.name}: {error}") from None


def _environment() -> dict[str, Any]:
    """``GLASNOST_PORT=1`` and the like; lists are separated by spaces."""
    found: dict[str, Any] = {}
    for field in msgspec.structs.fields(Settings):
        text = os.environ.get("GLASNOST_" + field.name.upper())
        if text is None or field.name == "networks":
            continue
        found[field.name] = text.split() if isinstance(field.default, tuple) else text
    return found


def _check_network(network: Network) -> None:
    allowed = set("abcdefghijklmnopqrstuvwxyz0123456789._-")
    if not network.name or not set(network.name) <= allowed:
        raise ValueError(f"network {network.name!r}: letters a-z, digits, '.', '_', '-' only")
    for text in network.ranges:
        ipaddress.ip_network(text, strict=False)
