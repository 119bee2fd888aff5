"""``ssh:NAME``: log in at a jump host, and have it connect onward.

`[ssh.NAME]` of our settings says as whom, with which key, and which host key to believe. OpenSSH's
own client does the work (net/openssh.py), and copies: what comes out is a local socket of its. Each
stream has a client of its own.
"""

from __future__ import annotations

import re
import socket
from typing import Final

from glasnost.core.address.stage import Stage
from glasnost.core.routes.traits import Traits
from glasnost.errors import Refused, SettingsError
from glasnost.net.sockets import ABSTRACT, closed_on_error
from glasnost.settings import Settings, SshSetting
from glasnost.stages.base import Kind, Step

#: What the client's ``-L`` takes for something else than a letter of a path.
_MARKS: Final = re.compile(r"[\\:]")


async def cross(step: Step, sock: socket.socket | None) -> socket.socket:
    """Log in; what comes out stands for that, and is no stream yet."""
    from glasnost.net.openssh import Order, log_in  # it takes a while, and few routes need it

    assert sock is not None, "a forward stage needs a stream"
    with closed_on_error(sock):
        if (why := check(step.stage, step.means.settings)) is not None:
            raise SettingsError(why)
        name = step.stage.args[0]
        setting = step.means.settings.ssh[name]
        destination = _where(step.path.stage(step.index + 1))
        order = Order(options_of(name, setting), name, destination, setting.host_key)
    return await log_in(sock, order, step.means.timeout)


async def onward(step: Step, sock: socket.socket) -> socket.socket:
    """Have the jump host connect to an origin."""
    from glasnost.net.openssh import lead_on
    from glasnost.net.openssh_login import Entered

    assert isinstance(sock, Entered), "it is crossed on a login"
    return await lead_on(sock, step.means.timeout)


def _where(stage: Stage) -> str:
    """An origin as the client's ``-L`` has it. Raises `Refused` for one that it cannot write."""
    if stage.kind != "unix":
        host, port = stage.args
        return f"[{host}]:{port}"
    path = stage.args[0]
    if path.startswith(ABSTRACT):
        raise Refused("ssh", "SSH leads to no abstract unix socket")
    if "${" in path:
        raise Refused("ssh", f"OpenSSH would take {path} for another path")
    return _MARKS.sub(r"\\\g<0>", path).replace("%", "%%")


def options_of(name: str, setting: SshSetting) -> list[str]:
    """The client's options for a login."""
    options = {
        "User": setting.user,
        "HostKeyAlias": setting.host or name,
        "StrictHostKeyChecking": "accept-new" if setting.trust_new else "yes",
    }
    if setting.identity:
        options |= {"IdentityFile": _file(setting.identity), "IdentitiesOnly": "yes"}
    if setting.agent:
        options["IdentityAgent"] = _file(setting.agent)
    if setting.known_hosts:
        options |= {
            "UserKnownHostsFile": _file(setting.known_hosts),
            "GlobalKnownHostsFile": "none",
        }
    return [word for key, value in options.items() for word in ("-o", f"{key}={value}")]


def _file(path: str) -> str:
    """A file's name as the client's settings have it, where a space would end it."""
    return '"' + path.replace("%", "%%") + '"'


def check(stage: Stage, settings: Settings) -> str | None:
    """A route names a login, and our own settings say what that is."""
    if stage.args[0] in settings.ssh:
        return None
    return f"there is no [ssh.{stage.args[0]}] in the settings of this host"


SSH = Kind(
    Traits(role="forward", onward=frozenset({"ip4", "ip6", "dns", "unix"})),
    cross,
    "SSH login",
    onward,
    check,
)
