"""The unit files of systemd, made for where this Glasnost is installed and for its settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from glasnost.settings import Settings

#: The daemons that have a unit, and what each is.
ROLES: Final[Mapping[str, str]] = {
    "up": "a pool on this machine, or this host's part in one",
    "agent": "this host's agent",
    "broker": "a broker of the pool",
    "directory": "the pool's directory",
    "authority": "the pool's authority",
    "condor-bridge": "an HTCondor pool's daemons, under names",
}
#: Those that own the shared port.
_PORT: Final = ("up", "agent")

#: Settings are read again.
_RELOAD: Final = "ExecReload=/bin/kill -HUP $MAINPID"

#: The user that the daemons of a system run as.
USER: Final = "glasnost"
SYSUSERS: Final = f'u {USER} - "Glasnost" /var/lib/glasnost\n'

#: What a daemon cannot do because it never needs to. Homes can be read: Glasnost may be installed
#: in one. Netlink tells of changed addresses.
_HARDENING: Final = """\
NoNewPrivileges=yes
CapabilityBoundingSet=
ProtectSystem=strict
ProtectHome=read-only
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
UMask=0077
"""


def units(role: str, command: str, settings: Settings, *, user: bool) -> Iterator[tuple[str, str]]:
    """Name and text of each unit that a role needs. ``command`` starts Glasnost; ``user``: for the
    manager of one user instead of the system's."""
    if role in _PORT:
        yield f"glasnost-{role}.socket", _socket(role, settings, user)
    yield f"glasnost-{role}.service", _service(role, command, user)


def _service(role: str, command: str, user: bool) -> str:
    before = [f"Description=Glasnost: {ROLES[role]}"]
    if not user:  # a user's manager knows no such target
        before += ["Wants=network-online.target", "After=network-online.target"]
    if role in _PORT:
        other = next(one for one in _PORT if one != role)
        before += [f"Requires=glasnost-{role}.socket", f"After=glasnost-{role}.socket"]
        before += [f"Conflicts=glasnost-{other}.service"]
    else:
        before += ["Wants=glasnost-agent.service", "After=glasnost-agent.service"]
    whole = [
        "[Unit]",
        *before,
        "",
        "[Service]",
        # It says when it serves, and that its loop turns.
        "Type=notify",
        "WatchdogSec=30",
        f"ExecStart={command} {role.replace('-', ' ')}",
        *([_RELOAD] if role in _PORT else []),
        "Restart=on-failure",
        "RestartSec=1",
        "TimeoutStopSec=15",
        # Each connection is one or two.
        "LimitNOFILE=1048576",
        *_places(user),
        "",
        "[Install]",
        f"WantedBy={'default' if user else 'multi-user'}.target",
    ]
    return "\n".join(whole) + "\n"


def _places(user: bool) -> list[str]:
    if user:
        return ["Environment=GLASNOST_RUN=%t/glasnost", "NoNewPrivileges=yes", "UMask=0077"]
    return [
        f"User={USER}",
        "Environment=GLASNOST_HOME=%S/glasnost GLASNOST_RUN=%t/glasnost",
        "StateDirectory=glasnost",
        "StateDirectoryMode=0700",
        "RuntimeDirectory=glasnost",
        "RuntimeDirectoryMode=0700",
        # Several daemons share it.
        "RuntimeDirectoryPreserve=yes",
        *_HARDENING.splitlines(),
    ]


def _socket(role: str, settings: Settings, user: bool) -> str:
    hosts = [
        f"[{host}]" if ":" in host else host
        for host in settings.listen
        if settings.enables("ip6" if ":" in host else "ip4") is not False
    ]
    whole = [
        "[Unit]",
        "Description=Glasnost: the shared port; who calls while no agent runs, waits",
        "",
        "[Socket]",
        *(f"ListenStream={host}:{settings.port}" for host in hosts),
        "BindIPv6Only=ipv6-only",
        "Backlog=1024",
        "ListenStream=%t/glasnost/port.sock",
        "ListenSequentialPacket=%t/glasnost/agent.sock",
        *([] if user else [f"SocketUser={USER}"]),
        "SocketMode=0600",
        "DirectoryMode=0700",
        "RemoveOnStop=yes",
        "FileDescriptorName=glasnost",
        "",
        "[Install]",
        "WantedBy=sockets.target",
    ]
    return "\n".join(whole) + "\n"
