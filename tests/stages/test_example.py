"""The package in examples/proxy_v2, as a stranger has it: built, installed, tested, and used."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.site import wait_until_listening

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "proxy_v2"

#: haproxy takes none who does not begin by the PROXY protocol, and answers with what it was told.
CONFIG = """
global
    maxconn 100
defaults
    mode http
    timeout connect 10s
    timeout client 10s
    timeout server 10s
frontend told
    bind 127.0.0.1:{port} accept-proxy
    http-request return status 200 content-type text/plain lf-string "{said}"
"""
SAID = "%[src]:%[src_port] wants %[fc_pp_authority]"


CROSS = """
import asyncio, sys
from glasnost.core.address import Address, Landing
from glasnost.core.routes import Exit, Target, Vantage, plan
from glasnost.roles.dialler import as_socket, connect
from glasnost.stages import Means, traits

async def main():
    target = Target(Address.parse(sys.argv[1]))
    here = Vantage((Exit(Landing("ip4", "public")),))
    found = await connect("front", target, here, Means(), as_socket, lambda sock: sock.close())
    with found.result as sock:
        ours = "%s:%d" % sock.getsockname()
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(sock, b"GET / HTTP/1.0\\r\\n\\r\\n")
        heard = b""
        while more := await loop.sock_recv(sock, 65536):
            heard += more
    print(ours)
    print(found.trace.spans[-2].deed)
    print(heard.rpartition(b"\\r\\n\\r\\n")[2].decode())

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Of programs that find the package installed, though it is not where we are."""
    folder = tmp_path_factory.mktemp("example")
    source, target = folder / "proxy_v2", folder / "installed"
    shutil.copytree(EXAMPLE, source)
    pip = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-index"]
    run(*pip, "--no-deps", "--no-build-isolation", "--target", str(target), str(source))
    assert (target / "glasnost_proxy_v2.py").exists()
    return {**os.environ, "PYTHONPATH": str(target), "HOME": str(folder)}


def run(*command: str, **more: object) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, **more)  # type: ignore[call-overload]
    assert done.returncode == 0, done.stdout + done.stderr
    return str(done.stdout)


def test_its_own_tests_pass(environment: dict[str, str], tmp_path: Path) -> None:
    shutil.copy(EXAMPLE / "test_proxy_v2.py", tmp_path)
    said = run(
        sys.executable, "-m", "pytest", "-q", "-W", "error", ".", cwd=tmp_path, env=environment
    )
    assert " passed" in said and "skipped" not in said


def test_a_route_by_it_is_parsed_and_explained(environment: dict[str, str], tmp_path: Path) -> None:
    glasnost = [sys.executable, "-m", "glasnost"]
    route = "public/ip4:192.0.2.7:5432/proxy-v2"
    (parsed,) = json.loads(
        run(*glasnost, "route", "parse", "--json", f"{route}:a:b", env=environment)
    )["routes"]
    assert parsed["reason"] == (
        "stage 2 (proxy-v2:a:b): it has one argument at most, the name that is wanted"
    )
    vantage = tmp_path / "vantage.json"
    vantage.write_text('{"exits": [{"lands": "ip4@public"}]}')
    on_paper = ["explain", "--vantage", str(vantage), "--address", route, "--json"]
    planned = json.loads(run(*glasnost, *on_paper, env=environment))
    assert [one["route"] for one in planned["candidates"]] == [route]


def test_a_front_is_told_who_calls(environment: dict[str, str], tmp_path: Path) -> None:
    with haproxy(tmp_path) as port:
        route = f"public/ip4:127.0.0.1:{port}/proxy-v2:db.example.org"
        said = run(sys.executable, "-c", CROSS, route, env=environment)
    ours, deed, answer = said.splitlines()
    assert deed == "say who calls"
    assert answer == f"{ours} wants db.example.org"


@contextmanager
def haproxy(folder: Path) -> Iterator[int]:
    program = shutil.which("haproxy")
    if program is None:
        pytest.skip("haproxy is not here (Debian package haproxy)")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    config = folder / "haproxy.cfg"
    config.write_text(CONFIG.format(port=port, said=SAID))
    with subprocess.Popen([program, "-q", "-db", "-f", str(config)]) as child:
        try:
            wait_until_listening(port)
            yield port
        finally:
            child.terminate()
