"""The settings of HTCondor's that matter here, as one frozen value.

Which they are stands at the fields; what they are when nobody sets them, in `defaults`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from typing import Any, Final

from glasnost.condor.config.interpreter import Finding
from glasnost.condor.config.protection import LEVELS, Protection, listed, protection, truth
from glasnost.condor.config.statements import Wrong
from glasnost.condor.config.table import Table
from glasnost.errors import SettingsError


def _text(table: Table, name: str) -> str:
    return table.value(name).strip()


def _list(table: Table, name: str) -> tuple[str, ...]:
    return listed(table.value(name))


def _flag(table: Table, name: str) -> bool:
    value = table.value(name)
    if (answer := truth(value)) is None:
        raise Wrong(f"{name} is {value!r}, and neither true nor false")
    return answer


def _flag_or_auto(table: Table, name: str) -> bool | None:
    return None if table.value(name).strip().lower() == "auto" else _flag(table, name)


def _port(table: Table, name: str) -> int:
    value = table.value(name).strip()
    if not (value.isascii() and value.isdigit() and len(value) <= 5 and int(value) <= 65535):
        raise Wrong(f"{name} is {value!r}, and no port")
    return int(value)


def _socket_dir(table: Table, name: str) -> str:
    value = _text(table, name)
    return f"{_text(table, 'LOCK')}/daemon_sock" if value.lower() == "auto" else value


def _protection(table: Table, name: str) -> Protection:
    return protection(table, name.removeprefix("SEC_"))


def _of(name: str, read: Callable[[Table, str], object]) -> Any:
    return field(metadata={"name": name, "read": read})


@dataclass(frozen=True)
class CondorConfig:
    """What a program of HTCondor's on this host would go by. `read_config` makes one."""

    #: The pool's collectors, ``host``, ``host:port`` or an address each; and their port where
    #: they say none.
    collectors: tuple[str, ...] = _of("COLLECTOR_HOST", _list)
    collector_port: int = _of("COLLECTOR_PORT", _port)
    condor_host: str = _of("CONDOR_HOST", _text)

    #: None: HTCondor looks whether the host has such an address.
    enable_ipv4: bool | None = _of("ENABLE_IPV4", _flag_or_auto)
    enable_ipv6: bool | None = _of("ENABLE_IPV6", _flag_or_auto)
    prefer_ipv4: bool = _of("PREFER_IPV4", _flag)
    prefer_outbound_ipv4: bool = _of("PREFER_OUTBOUND_IPV4", _flag)
    ignore_target_protocol_preference: bool = _of("IGNORE_TARGET_PROTOCOL_PREFERENCE", _flag)
    ignore_dns_protocol_preference: bool = _of("IGNORE_DNS_PROTOCOL_PREFERENCE", _flag)
    network_interface: str = _of("NETWORK_INTERFACE", _text)
    private_network_name: str = _of("PRIVATE_NETWORK_NAME", _text)

    #: The brokers that daemons register with.
    ccb_addresses: tuple[str, ...] = _of("CCB_ADDRESS", _list)
    tools_assume_firewalls: bool = _of("TOOLS_ASSUME_FIREWALLS", _flag)
    use_shared_port: bool = _of("USE_SHARED_PORT", _flag)
    shared_port_port: int = _of("SHARED_PORT_PORT", _port)
    shared_port_default_id: str = _of("SHARED_PORT_DEFAULT_ID", _text)
    lock: str = _of("LOCK", _text)
    #: Where endpoints behind the shared port have their sockets; never ``auto``.
    daemon_socket_dir: str = _of("DAEMON_SOCKET_DIR", _socket_dir)

    uid_domain: str = _of("UID_DOMAIN", _text)
    trust_domain: str = _of("TRUST_DOMAIN", _text)
    token_directory: str = _of("SEC_TOKEN_DIRECTORY", _text)
    token_system_directory: str = _of("SEC_TOKEN_SYSTEM_DIRECTORY", _text)
    #: Which files of a directory are not looked at, tokens as well as configuration.
    exclude: str = _of("LOCAL_CONFIG_DIR_EXCLUDE_REGEXP", _text)
    token_issuer_key: str = _of("SEC_TOKEN_ISSUER_KEY", _text)
    token_max_age: str = _of("SEC_TOKEN_MAX_AGE", _text)
    password_directory: str = _of("SEC_PASSWORD_DIRECTORY", _text)
    pool_signing_key_file: str = _of("SEC_TOKEN_POOL_SIGNING_KEY_FILE", _text)
    certificate_mapfile: str = _of("CERTIFICATE_MAPFILE", _text)
    fs_local_dir: str = _of("FS_LOCAL_DIR", _text)

    ssl_client_cafile: str = _of("AUTH_SSL_CLIENT_CAFILE", _text)
    ssl_client_cadir: str = _of("AUTH_SSL_CLIENT_CADIR", _text)
    ssl_client_certfile: str = _of("AUTH_SSL_CLIENT_CERTFILE", _text)
    ssl_client_keyfile: str = _of("AUTH_SSL_CLIENT_KEYFILE", _text)
    ssl_client_use_default_cas: bool = _of("AUTH_SSL_CLIENT_USE_DEFAULT_CAS", _flag)
    ssl_server_cafile: str = _of("AUTH_SSL_SERVER_CAFILE", _text)
    ssl_server_cadir: str = _of("AUTH_SSL_SERVER_CADIR", _text)
    ssl_server_certfiles: tuple[str, ...] = _of("AUTH_SSL_SERVER_CERTFILE", _list)
    ssl_server_keyfiles: tuple[str, ...] = _of("AUTH_SSL_SERVER_KEYFILE", _list)
    ssl_server_use_default_cas: bool = _of("AUTH_SSL_SERVER_USE_DEFAULT_CAS", _flag)
    ssl_require_client_certificate: bool = _of("AUTH_SSL_REQUIRE_CLIENT_CERTIFICATE", _flag)

    #: What is wanted on each level of permission, and (``CLIENT``) by us as clients.
    protections: Mapping[str, Protection] = field(default_factory=dict)
    #: The files that were read, in their order, and what was not understood in them.
    files: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()

    def protection(self, level: str) -> Protection:
        """What ``SEC_LEVEL_*`` says, DEFAULT's where nothing is said of the level."""
        return self.protections[level]


SETTINGS: Final[dict[str, Field[Any]]] = {
    one.metadata["name"]: one for one in fields(CondorConfig) if one.metadata
}


def config_of(
    table: Table, files: tuple[str, ...] = (), findings: tuple[Finding, ...] = ()
) -> CondorConfig:
    """The value that a table gives. Raises `SettingsError`, with the name of the setting."""
    values: dict[str, Any] = {}
    missed: list[Finding] = []
    for name, one in SETTINGS.items():
        table.missed.clear()
        values[one.name] = _read(one.metadata["read"], table, name)
        for other in sorted(table.missed - {name, *_MAY_BE_UNSET}):
            missed.append(Finding("", 0, f"{name} uses $({other}), which is set nowhere"))
    values["protections"] = {level: _read(_protection, table, f"SEC_{level}") for level in LEVELS}
    return CondorConfig(**values, files=files, findings=(*findings, *missed))


#: Where these are set nowhere, there is no pool or no condor account, which is no finding.
_MAY_BE_UNSET: Final = frozenset({"CONDOR_HOST", "TILDE"})


def _read(read: Callable[[Table, str], Any], table: Table, name: str) -> Any:
    try:
        return read(table, name)
    except Wrong as wrong:
        raise SettingsError(f"HTCondor's configuration, {name}: {wrong}") from None
