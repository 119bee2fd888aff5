"""``ssh`` through OpenSSH's own server: what it leads to, what it refuses, and what is left."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading

import psutil
import pytest

from glasnost.errors import StageFailed
from glasnost.net import openssh_login
from glasnost.testing.contracts import path
from tests.lab import servers
from tests.lab.conftest import eventually
from tests.lab.ssh_site import CLOSED, ECHO, NARROW, NOBODY, OPEN, SOCKS, Site, site, the_site
from tests.stages.crossing import ssh_clients as clients

__all__ = ["site", "the_site"]

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("needs_lab")]

# --- crossing -------------------------------------------------------------------------------------


def test_it_leads_to_addresses_and_names(site: Site) -> None:
    """The name is one that means something else to everybody: to the gate, itself."""
    origins = [f"ip4:{site.target.ip4}:{ECHO}", f"ip6:[{site.target.ip6}]:{ECHO}"]
    for to in (*origins, f"dns:localhost:{ECHO}"):
        assert site.cross(to) == b"are you there?"


def test_it_leads_as_an_exit(site: Site) -> None:
    on = path(
        f"public/ip4:{site.target.ip4}:{ECHO}", via=f"public/ip4:{site.gate.ip4}:{OPEN}/ssh:gate"
    )
    assert site.walk(on) == b"are you there?"


@pytest.mark.parametrize("name", ["web.sock", "a b:c\\d%h", "${HOME}"])
def test_it_leads_to_unix_sockets(site: Site, name: str) -> None:
    """Whatever their names would mean to OpenSSH's client."""
    where = site.folder / name
    encoded = "".join(c if c.isalnum() else f"%{ord(c):02X}" for c in str(where))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(where))
        listener.listen()
        listener.settimeout(20)

        def answer() -> None:
            accepted, _ = listener.accept()
            with accepted:
                accepted.sendall(accepted.recv(100))

        if "$" in name:
            with pytest.raises(StageFailed, match=r"would take .* for another path"):
                site.cross(f"unix:{encoded}")
            return
        thread = threading.Thread(target=answer)
        thread.start()
        assert site.cross(f"unix:{encoded}") == b"are you there?"
        thread.join()


def test_a_gate_behind_a_gate(site: Site) -> None:
    behind = f"ip4:{site.second.ip4}:{OPEN}/ssh:second/ip4:{site.target.ip4}:{ECHO}"
    assert site.cross(behind) == b"are you there?"


def test_each_direction_ends_by_itself(site: Site) -> None:
    """The far side says its end first, and still hears what we say."""
    with site.target.inside():
        listener = socket.create_server((str(site.target.ip4), 0))
    heard = []

    def serve() -> None:
        accepted, _ = listener.accept()
        with accepted:
            accepted.sendall(b"all I say")
            accepted.shutdown(socket.SHUT_WR)
            heard.append(accepted.makefile("rb").read())

    async def scenario(sock: socket.socket) -> bytes:
        loop = asyncio.get_running_loop()
        said = b""
        while more := await loop.sock_recv(sock, 100):
            said += more
        await loop.sock_sendall(sock, b"x" * 300_000)
        return said

    with listener:
        listener.settimeout(20)
        thread = threading.Thread(target=serve)
        thread.start()
        port = listener.getsockname()[1]
        assert site.cross(f"ip4:{site.target.ip4}:{port}", scenario=scenario) == b"all I say"
        thread.join()
    assert heard == [b"x" * 300_000]


def test_keys_of_an_agent(site: Site) -> None:
    place = str(site.folder / "agent")
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", place], stdout=subprocess.DEVNULL)
    try:
        assert eventually(lambda: os.path.exists(place))
        key = str(site.keys.folder / "user")
        subprocess.run(
            ["ssh-add", "-q", key], env=os.environ | {"SSH_AUTH_SOCK": place}, check=True
        )
        login = site.login(identity="", agent=place)
        assert site.cross(f"ip4:{site.target.ip4}:{ECHO}", login) == b"are you there?"
    finally:
        agent.terminate()
        agent.wait()


def test_a_pinned_host_key_needs_no_file(site: Site) -> None:
    login = site.login(known_hosts="", host_key=site.keys.public("host"))
    assert site.cross(f"ip4:{site.target.ip4}:{ECHO}", login) == b"are you there?"


def test_a_new_host_key_is_believed_where_the_settings_say_so_and_only_once(site: Site) -> None:
    file = site.folder / "new"
    login = site.login(known_hosts=str(file), trust_new=True)
    assert site.cross(f"ip4:{site.target.ip4}:{ECHO}", login) == b"are you there?"
    assert file.read_text().split()[:3] == ["gate", *site.keys.public("host").split()]
    file.write_text(f"gate {site.keys.public('other')}\n")
    with pytest.raises(StageFailed, match="the host key of gate has changed"):
        site.cross(f"ip4:{site.target.ip4}:{ECHO}", login)


# --- refused --------------------------------------------------------------------------------------


def test_what_does_not_let_us_in_or_onward_says_why(site: Site) -> None:
    there, nobody = f"ip4:{site.target.ip4}:{ECHO}", f"ip4:{site.target.ip4}:{NOBODY}"
    keys = site.keys
    cases = [
        (
            site.login(known_hosts=keys.known("other")),
            OPEN,
            there,
            2,
            "host key of gate has changed",
        ),
        (site.login(known_hosts="/dev/null"), OPEN, there, 2, "no host key of gate is known here"),
        (
            site.login(known_hosts="", host_key=keys.public("other")),
            *(OPEN, there, 2, "host key of gate has changed"),
        ),
        (
            site.login(identity=str(keys.folder / "other"), agent="/nowhere"),
            *(OPEN, there, 2, "it accepts none of our keys"),
        ),
        (site.login(identity="/nowhere", agent="/nowhere"), OPEN, there, 2, "none of our keys"),
        (site.login(), OPEN, nobody, 3, "the SSH server says: Connection refused"),
        (site.login(), OPEN, "unix:%2Fno", 3, "the SSH server cannot connect, or may not"),
        (site.login(), CLOSED, there, 3, "the SSH server forbids it"),
        (site.login(), CLOSED, "unix:%2Fno", 3, "the SSH server cannot connect, or may not"),
        (site.login(), NARROW, nobody, 3, "the SSH server forbids it"),
    ]
    for login, port, to, number, says in cases:
        with pytest.raises(StageFailed) as caught:
            site.cross(to, login, port=port)
        assert caught.value.number == number, caught.value
        assert says in caught.value.why


def test_one_that_may_lead_to_one_place_leads_there(site: Site) -> None:
    assert site.cross(f"ip4:{site.target.ip4}:{ECHO}", port=NARROW) == b"are you there?"


# --- left -----------------------------------------------------------------------------------------


def test_a_client_ends_with_its_stream_whoever_closes_it(site: Site) -> None:
    async def waits(sock: socket.socket) -> bytes:
        assert len(clients()) == 1
        return await servers.asks(sock)

    site.cross(f"ip4:{site.target.ip4}:{ECHO}", scenario=waits)
    assert eventually(lambda: not clients())


def test_a_stream_that_nobody_has_any_more_does_not_wait_for_a_far_side_that_never_ends(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as somebody has it, it is looked after and left alone."""
    looks = []
    is_open = openssh_login._is_open

    def looked(inode: int) -> bool:
        looks.append(is_open(inode))
        return looks[-1]

    monkeypatch.setattr(openssh_login, "_is_open", looked)
    monkeypatch.setattr(openssh_login, "LOOK", 0.02)
    with site.target.inside():
        listener = socket.create_server((str(site.target.ip4), 0))

    async def kept(sock: socket.socket) -> bytes:
        others.append(sock.dup())
        return b""

    others: list[socket.socket] = []
    with listener:
        listener.settimeout(20)
        site.cross(f"ip4:{site.target.ip4}:{listener.getsockname()[1]}", scenario=kept)
        (other,) = others
        accepted, _ = listener.accept()
        with accepted:
            with other:
                assert eventually(lambda: len(looks) > 3)
                assert all(looks)
                other.setblocking(True)
                other.sendall(b"still there")
                assert accepted.recv(100) == b"still there"
            assert eventually(lambda: not clients())
    assert not looks[-1]


@pytest.mark.parametrize("who", ["the client", "the server"])
def test_who_is_killed_ends_the_stream(site: Site, who: str) -> None:
    async def scenario(sock: socket.socket) -> bytes:
        server = psutil.Process(site.gate.children[0].pid)
        for one in clients() if who == "the client" else server.children(recursive=True):
            one.kill()
        return await asyncio.get_running_loop().sock_recv(sock, 1)

    with site.target.inside():
        listener = socket.create_server((str(site.target.ip4), 0))
    with listener:
        to = f"ip4:{site.target.ip4}:{listener.getsockname()[1]}"
        assert site.cross(to, scenario=scenario) == b""


def program(site: Site, code: str, to: socket.socket, stdout: int) -> subprocess.Popen[bytes]:
    """One of the client's that goes through the gate to a listener of the target's."""
    route = f"public/ip4:{site.gate.ip4}:{OPEN}/ssh:gate/ip4:{site.target.ip4}"
    command = [sys.executable, "-c", code, f"{route}:{to.getsockname()[1]}"]
    command += [str(site.keys.folder / "user"), site.keys.public("host")]
    return site.client.popen(command, stdout=stdout, stderr=subprocess.DEVNULL)


_HOLDS = """
import asyncio, sys
from glasnost.settings import Settings, SshSetting
from glasnost.stages import Means
from glasnost.stages.walk import walk
from glasnost.testing.contracts import path

async def main():
    ssh = {"gate": SshSetting("root", identity=sys.argv[2], host_key=sys.argv[3])}
    with await walk(path(sys.argv[1]), Means(settings=Settings(ssh=ssh))):
        print("there", flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_program_that_is_ended_leaves_no_client(site: Site, number: signal.Signals) -> None:
    """The far side here never ends: what ends the client is its lifeline."""
    with site.target.inside():
        listener = socket.create_server((str(site.target.ip4), 0))
    with listener:
        process = program(site, _HOLDS, listener, stdout=subprocess.PIPE)
        assert process.stdout is not None
        assert process.stdout.readline() == b"there\n"
        (client,) = psutil.Process(process.pid).children()
        process.send_signal(number)
        process.wait()
        process.stdout.close()
        assert eventually(lambda: not client.is_running())


_POURS = """
import asyncio, sys
from glasnost.settings import Settings, SshSetting
from glasnost.stages import Means
from glasnost.stages.walk import walk
from glasnost.testing.contracts import path

async def main():
    ssh = {"gate": SshSetting("root", identity=sys.argv[2], host_key=sys.argv[3])}
    with await walk(path(sys.argv[1]), Means(settings=Settings(ssh=ssh))) as sock:
        await asyncio.get_running_loop().sock_sendall(sock, bytes(3_000_000))

asyncio.run(main())
"""


def test_what_a_program_has_written_last_arrives_though_it_ends(site: Site) -> None:
    with site.target.inside():
        listener = socket.create_server((str(site.target.ip4), 0))
    with listener:
        listener.settimeout(20)
        process = program(site, _POURS, listener, stdout=subprocess.DEVNULL)
        accepted, _ = listener.accept()
        with accepted:
            assert len(accepted.makefile("rb").read()) == 3_000_000
        assert process.wait() == 0


# --- OpenSSH as a SOCKS proxy ---------------------------------------------------------------------


def test_a_client_that_is_a_socks_proxy_is_crossed_as_one(site: Site) -> None:
    """``ssh -D`` on the gate, to the second host. It is the second that connects, also back."""
    keys = site.keys
    command = ["ssh", "-F", "none", "-N", "-D", f"0.0.0.0:{SOCKS}", "-l", "root"]
    for option in (
        f"IdentityFile={keys.folder / 'user'}",
        f"UserKnownHostsFile={keys.known('host', str(site.second.ip4))}",
    ):
        command += ["-o", option]
    log = site.folder / "ssh-D.log"
    servers.start(site.gate, SOCKS, *command, str(site.second.ip4), log=log)
    proxy = site.gate.children[-1]
    servers.echo(site.second, ECHO, site.folder)
    via = f"ip4:{site.gate.ip4}:{SOCKS}/socks5/"
    origins = [f"ip4:{site.target.ip4}:{ECHO}", f"ip6:[{site.target.ip6}]:{ECHO}"]
    for to in (*origins, f"dns:localhost:{ECHO}"):
        assert site.walk(path(f"public/{via}{to}")) == b"are you there?"
    assert site.cross(origins[0], via=via) == b"are you there?"
    proxy.terminate()
    proxy.wait()
