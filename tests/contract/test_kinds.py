"""Our own stage kinds keep the promises that a plugin's are held to."""

from __future__ import annotations

import os
import pwd
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from glasnost.condor.stages import KINDS as HTCONDOR
from glasnost.core.wire.header import Call, encode_call
from glasnost.settings import KnockSetting, Settings
from glasnost.stages import KINDS, Kind, Means
from glasnost.testing import carried
from glasnost.testing.contracts import (
    PROMISES,
    Talk,
    check_origin,
    check_prelude,
    check_refuses,
    check_traits,
    path,
)
from tests.contract import far_sides
from tests.net.setup_place import Place, place
from tests.stages.test_proxies import GOOD, kind_of, names

__all__ = ["place"]

SERVICE = Talk(
    "a call", "public/ip4:192.0.2.1:9618/service:web", ((encode_call(Call(to="web")), b""),)
)
#: HTCondor's own bytes, but for who asks and how long that waits.
SOCK = Talk(
    "a connect message",
    "public/ip4:192.0.2.1:9618/condor.sock:pyend",
    (
        (
            bytes.fromhex(
                "0100000027000000000000004b7079656e6400676c61736e6f7374"
                "00000000000000000a0000000000000000"
            ),
            b"",
        ),
    ),
)
#: One talk each; with all their talks, proxies are in tests/stages/test_proxies.py.
TALKS = [SERVICE, SOCK, GOOD[3], GOOD[7]]

OURS = {**KINDS, **HTCONDOR}

#: What is said to these differs each time: their streams are carried.
CARRIED = ["tls", "ws"]

#: What cannot be told in a talk, and where the same is shown of it.
ELSEWHERE = {
    "ssh": "OpenSSH's own program says it: tests/stages/test_ssh.py, tests/lab/test_ssh.py",
}


def listens(kind: str, folder: Path) -> tuple[str, socket.socket]:
    """A stage of an origin kind, and who listens where it leads."""
    if kind == "unix":
        path = str(folder / "web.sock")
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen()
        return f"unix:{path.replace('/', '%2F')}", listener
    host, family = ("::1", socket.AF_INET6) if kind == "ip6" else ("127.0.0.1", socket.AF_INET)
    listener = socket.create_server((host, 0), family=family)
    port = listener.getsockname()[1]
    names = {"ip4": host, "ip6": f"[{host}]", "dns": "localhost"}
    return f"{kind}:{names[kind]}:{port}", listener


ORIGINS = ["ip4", "ip6", "dns", "unix"]


def test_every_kind_that_gives_a_connection_is_here_or_elsewhere() -> None:
    giving = {name for name, kind in OURS.items() if kind.traits.role in ("origin", "forward")}
    here = {*ORIGINS, *CARRIED, *(talk.route.split("/")[2].partition(":")[0] for talk in TALKS)}
    assert giving - ELSEWHERE.keys() == here


@pytest.mark.parametrize("kind", OURS.values(), ids=OURS)
def test_planning_can_use_it(kind: Kind) -> None:
    check_traits(kind)


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)
@pytest.mark.parametrize("talk", TALKS, ids=names(TALKS))
def test_a_forward_kind(talk: Talk, promise: Callable[[Kind, Talk], None]) -> None:
    promise(kind_of(talk), talk)


@pytest.mark.parametrize("promise", carried.PROMISES, ids=lambda promise: promise.__name__)
@pytest.mark.parametrize("name", CARRIED)
def test_a_kind_whose_stream_is_carried(
    name: str, promise: Callable[[Kind, carried.Far], None], tmp_path: Path
) -> None:
    promise(KINDS[name], far_sides.tls(tmp_path) if name == "tls" else far_sides.ws())


@pytest.mark.parametrize("name", ORIGINS)
def test_an_origin_kind(name: str, tmp_path: Path) -> None:
    stage, listener = listens(name, tmp_path)
    user = pwd.getpwuid(os.getuid()).pw_name
    means = Means(settings=Settings(sockets={str(tmp_path): user}))
    check_origin(OURS[name], stage, listener, means)


def test_a_knock() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door:
        door.bind(("127.0.0.1", 0))
        knock = KnockSetting((f"{door.getsockname()[1]}/udp",), ("127.0.0.1",), 0, 0)
        on = path("public/knock:fw/ip4:127.0.0.1:1")
        check_prelude(OURS["knock"], on, Means(settings=Settings(knocks={"fw": knock})))
        door.setblocking(False)
        assert door.recv(10) == b""


def test_a_setup(place: Place) -> None:
    settings = Settings(run=str(place.run), setups={"x": place.setting()})
    check_prelude(
        OURS["setup"], path("lab/ip4:192.0.2.1:1", via="public/setup:x"), Means(settings=settings)
    )
    assert place.told()[0] == "start"


def test_every_prelude_is_here() -> None:
    assert {name for name, kind in OURS.items() if kind.traits.role == "prelude"} == {
        "knock",
        "setup",
    }


REFUSED = ["ip4:192.0.2.256:1", "ip6:[::g]:1", "dns:192.0.2.1:1", "unix:web", "service:a%20b"]
REFUSED += [
    "ccb:a%20b",
    "tls:a%20b",
    "ws:gate.example.org:queue",
    "knock:door",
    "setup:vpn",
    "condor.sock:a%20b",
    "condor.ccb:node7",
]
REFUSED += ["ssh:gate", "ssh:-oProxyCommand%3Dreboot", "ssh:a%0Ab"]


@pytest.mark.parametrize("stage", REFUSED)
def test_a_stage_that_means_nothing_is_refused(stage: str) -> None:
    check_refuses(OURS[stage.partition(":")[0]], stage, Settings())
