"""This host's own address in HTCondor's words, and the file in which its daemons look for it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from glasnost.condor.addresses.endpoint import IpPort
from glasnost.condor.addresses.sinful import ALIAS, NO_UDP, SOCK, Sinful
from glasnost.core.routes.advertised import advertised
from glasnost.net.interfaces import HostFacts
from glasnost.settings import FOUND, Settings

_ALL: Final = {"ip4": "0.0.0.0", "ip6": "::"}
_LOOPBACK: Final = {"ip4": "127.0.0.1", "ip6": "::1"}

#: Counters of the file, and what is counted for them here.
_COUNTERS: Final = {
    "RequestsBlocked": "blocked",
    "RequestsFailed": "failed",
    "RequestsPendingCurrent": "pending",
    "RequestsSucceeded": "succeeded",
}


def own_addresses(facts: HostFacts, settings: Settings, port: int) -> tuple[IpPort, ...]:
    """Where the port is met, IPv4 first as HTCondor writes them: what the settings advertise, or
    else every address that is listened on, loopback where there is no other."""
    found: list[IpPort | None] = []
    for text in settings.advertise:
        told = None if text == FOUND else advertised(text)
        if isinstance(told, tuple):
            found.append(IpPort.of(told[0], told[1] or port))
        elif told is None:
            found += [IpPort.of(host, port) for host in _listened_on(facts, settings)]
    known = dict.fromkeys(one for one in found if one is not None)
    return tuple(sorted(known, key=lambda one: one.six))


def own_sinful(addresses: tuple[IpPort, ...], alias: str = "", sock: str = "") -> Sinful:
    """The address of one endpoint behind our port, or of the port."""
    params = {NO_UDP: "", **({ALIAS: alias} if alias else {}), **({SOCK: sock} if sock else {})}
    first = addresses[0]
    return Sinful.of(first.ip, str(first.port), params, addresses)


def write_port_ad(path: Path, own: Sinful, counts: Mapping[str, int]) -> None:
    """Tell HTCondor's daemons on this host where they are met. Raises OSError.

    Each takes our address from there and puts its own id into it."""
    alias = own.param(ALIAS)
    params = {ALIAS: alias} if alias else {}
    commands = [str(Sinful.of(one.ip, str(one.port), params)) for one in own.addrs]
    lines = [f"{name} = {counts.get(key, 0)}" for name, key in _COUNTERS.items()]
    lines += [f'MyAddress = "{own}"', f'SharedPortCommandSinfuls = "{",".join(commands)}"']
    aside = path.with_name(f"{path.name}.new")
    aside.write_text("\n".join(sorted(lines)) + "\n")
    os.replace(aside, path)  # whoever reads it reads all of it


def _listened_on(facts: HostFacts, settings: Settings) -> list[str]:
    hosts: list[str] = []
    for host in settings.listen:
        protocol = "ip6" if ":" in host else "ip4"
        if settings.enables(protocol) is False:
            continue
        if host != _ALL[protocol]:
            hosts.append(host)
            continue
        hosts += [one.address for one in facts.addresses if one.protocol == protocol]
    return hosts or [_LOOPBACK["ip6" if ":" in host else "ip4"] for host in settings.listen]
