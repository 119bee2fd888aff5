"""Servers that others wrote, started on hosts of a lab."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from glasnost.testing.lab import Host
from tests.lab.conftest import eventually
from tests.stages.fronts import Front

USER, PASSWORD = "ann", "secret7"
#: That password as squid's file of users has it: ``openssl passwd -apr1 secret7``.
_HASHED = "$apr1$glasnost$A.VhmHvD1LpQ84x6mL3Ph/"
#: What the proxies that have rules do not let through.
FORBIDDEN = 7


def missing(*programs: str) -> str | None:
    """Which of them is not here, and what would help; None if all are."""
    absent = next((one for one in programs if shutil.which(one) is None), None)
    return absent and f"{absent} is missing: tools/run --servers brings it"


def need(*programs: str) -> None:
    """Skip, by name, where one of them is missing."""
    if (reason := missing(*programs)) is not None:
        pytest.skip(reason)


def start(host: Host, port: int, *command: str, log: Path) -> None:
    """Start a server, and wait until it listens."""
    with log.open("w") as told:
        process = host.popen(command, stdin=subprocess.DEVNULL, stdout=told, stderr=told)

    def listens() -> bool:
        assert process.poll() is None, log.read_text()
        with host.inside(), socket.socket() as sock:
            return sock.connect_ex(("127.0.0.1", port)) == 0

    assert eventually(listens), log.read_text()


_ECHO = """
import socketserver, sys
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address, address_family = True, socketserver.socket.AF_INET6
class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.sendall(self.request.recv(100))
Server(("", int(sys.argv[1])), Echo).serve_forever()
"""


def echo(host: Host, port: int, folder: Path) -> None:
    """Send back what comes first on each connection, by IPv4 and IPv6."""
    log = folder / f"echo-{host.name}.log"
    start(host, port, sys.executable, "-c", _ECHO, str(port), log=log)


async def asks(sock: socket.socket) -> bytes:
    """What whoever is behind a connection answers to a line: `echo`, the same."""
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(sock, b"are you there?")
    return await loop.sock_recv(sock, 100)


def microsocks(host: Host, port: int, folder: Path, *options: str) -> None:
    log = folder / f"microsocks-{port}.log"
    start(host, port, "microsocks", "-i", "::", "-p", str(port), *options, log=log)


def danted(host: Host, port: int, folder: Path) -> None:
    config = folder / "danted.conf"
    config.write_text(
        f"""\
internal: 0.0.0.0 port = {port}
external: {host.legs[0].interface}
socksmethod: none
clientmethod: none
user.privileged: root
user.unprivileged: root
client pass {{ from: 0/0 to: 0/0 }}
socks block {{ from: 0/0 to: 0/0 port = {FORBIDDEN} }}
socks pass {{ from: 0/0 to: 0/0 }}
"""
    )
    start(host, port, "danted", "-f", str(config), log=folder / "danted.log")


def tinyproxy(host: Host, port: int, folder: Path, *lines: str) -> None:
    """With ``lines`` more in its configuration."""
    config = folder / f"tinyproxy-{port}.conf"
    config.write_text("\n".join([f"Port {port}", "MaxClients 50", *lines, ""]))
    start(host, port, "tinyproxy", "-d", "-c", str(config), log=folder / f"tinyproxy-{port}.log")


# --- fronts ---------------------------------------------------------------------------------------


def haproxy(host: Host, port: int, folder: Path, shown: Front, to: str) -> Path:
    """Take TLS off, and lead to ``to``; what it writes down of each caller is the name that it
    asked for, and the protocol."""
    together = folder / f"haproxy-{port}.pem"
    together.write_bytes(shown.authority.read_bytes() + shown.key.read_bytes())
    config, log = folder / f"haproxy-{port}.cfg", folder / f"haproxy-{port}.log"
    config.write_text(
        f"""\
global
    log stdout format raw local0
defaults
    mode tcp
    timeout connect 10s
    timeout client 60s
    timeout server 60s
frontend tls
    bind :::{port} v4v6 ssl crt {together} alpn glasnost,http/1.1
    log global
    log-format "%[ssl_fc_sni] %[ssl_fc_alpn]"
    default_backend behind
backend behind
    server one {to}
"""
    )
    start(host, port, "haproxy", "-db", "-f", str(config), log=log)
    return log


def nginx_stream(host: Host, port: int, folder: Path, shown: Front, to: str) -> Path:
    """As `haproxy`, by nginx's module for streams."""
    module = shipped("nginx", "usr/lib/nginx/modules/ngx_stream_module.so")
    log = folder / f"nginx-{port}-callers.log"
    block = f"""\
stream {{
    log_format asked "$ssl_server_name $ssl_alpn_protocol";
    access_log {log} asked;
    server {{
        listen [::]:{port} ipv6only=off ssl;
        ssl_certificate {shown.authority};
        ssl_certificate_key {shown.key};
        ssl_alpn glasnost http/1.1;
        proxy_pass {to};
    }}
}}
"""
    nginx(host, port, folder, f"load_module {module};", block)
    return log


def nginx_http(
    host: Host, port: int, folder: Path, shown: Front | None, paths: dict[str, str]
) -> None:
    """Behind each of these paths a server that is spoken to by WebSocket, and elsewhere a web
    page; with ``shown``, over TLS."""
    places = "\n".join(
        f"""\
        location = {path} {{
            proxy_pass {to};
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection upgrade;
            proxy_set_header Host $host;
        }}"""
        for path, to in paths.items()
    )
    tls = f"ssl_certificate {shown.authority}; ssl_certificate_key {shown.key};" if shown else ""
    block = f"""\
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen [::]:{port} ipv6only=off{" ssl" if shown else ""};
        {tls}
        location / {{ return 200 "a web site\n"; }}
{places}
    }}
}}
"""
    nginx(host, port, folder, "", block)


def nginx(host: Host, port: int, folder: Path, first: str, block: str) -> None:
    """One process, which stays whose it is."""
    config, log = folder / f"nginx-{port}.conf", folder / f"nginx-{port}.log"
    config.write_text(
        f"""\
{first}
daemon off;
master_process off;
pid {folder}/nginx-{port}.pid;
error_log stderr;
events {{}}
{block}"""
    )
    start(host, port, "nginx", "-p", str(folder), "-e", "stderr", "-c", str(config), log=log)


def squid(host: Host, port: int, tls_port: int, folder: Path, shown: Front) -> None:
    """A proxy that lets in who has the password, in the clear and by TLS."""
    users, config = folder / "squid.users", folder / "squid.conf"
    users.write_text(f"{USER}:{_HASHED}\n")
    helpers, share = shipped("squid", "usr/lib/squid"), shipped("squid", "usr/share/squid")
    config.write_text(
        f"""\
http_port {port}
https_port {tls_port} tls-cert={shown.authority} tls-key={shown.key}
auth_param basic program {helpers}/basic_ncsa_auth {users}
auth_param basic children 1
acl known proxy_auth REQUIRED
acl forbidden port {FORBIDDEN}
http_access deny !known
http_access deny forbidden
http_access allow all
cache deny all
cache_log /dev/stderr
access_log none
pid_filename none
netdb_filename none
coredump_dir {folder}
shutdown_lifetime 0 seconds
pinger_enable off
unlinkd_program {helpers}/unlinkd
error_directory {share}/errors/templates
icon_directory {share}/icons
mime_table {share}/mime.conf
"""
    )
    # Root it does not want to be, and another it cannot become in a lab of an ordinary user's.
    other = ("unshare", "--user", "--map-user=1", "--map-group=1")
    start(host, port, *other, "squid", "-N", "-f", str(config), log=folder / "squid.log")


def shipped(program: str, path: str) -> Path:
    """A file of a program's package: of the system's, or unpacked beside the program."""
    found = shutil.which(program)
    assert found is not None, f"{program} is needed first"
    places = (Path(found).parents[1] / "root" / path, Path("/") / path)
    place = next((one for one in places if one.exists()), None)
    if place is None:
        pytest.skip(f"{path} is missing: the package of {program} here has none")
    return place
