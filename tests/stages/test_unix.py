"""``unix``: a record may name any path, so only sockets of ours, where ours lie, are followed."""

from __future__ import annotations

import os
import pwd
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from glasnost.errors import Refused, SettingsError
from glasnost.net.sockets import listen_unix
from glasnost.settings import Settings
from glasnost.stages import Means
from tests.stages.crossing import cross, play


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[socket.socket]:
    with listen_unix(tmp_path / "ours" / "port.sock") as sock:
        yield sock


def means(tmp_path: Path, *owners: int) -> Means:
    ours = frozenset({str((tmp_path / "ours").resolve())})
    return Means(socket_owners=frozenset(owners or {os.getuid()}), socket_directories=ours)


def route(path: Path | str) -> str:
    return f"host.4f2a91/unix:{quote(str(path), safe='')}"


def test_it_connects(tmp_path: Path, listener: socket.socket) -> None:
    async def scenario() -> None:
        with await cross(route(tmp_path / "ours" / "port.sock"), means=means(tmp_path)) as sock:
            assert sock.gettimeout() == 0

    play(scenario)


OUTSIDE = ["elsewhere/port.sock", "ours/../elsewhere/port.sock", "ours/below/port.sock"]


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_path_elsewhere_is_not_followed(tmp_path: Path, name: str) -> None:
    async def scenario() -> None:
        (tmp_path / "ours").mkdir()
        with listen_unix(tmp_path / name):
            with pytest.raises(Refused, match="lies nowhere that") as caught:
                await cross(route(tmp_path / name), means=means(tmp_path))
        assert caught.value.code == "forbidden"

    play(scenario)


def test_a_link_that_leads_out_is_not_followed(tmp_path: Path, listener: socket.socket) -> None:
    async def scenario() -> None:
        with listen_unix(tmp_path / "elsewhere" / "port.sock"):
            (tmp_path / "ours" / "link.sock").symlink_to(tmp_path / "elsewhere" / "port.sock")
            with pytest.raises(Refused):
                await cross(route(tmp_path / "ours" / "link.sock"), means=means(tmp_path))
        # One that leads in is: it is the same place by another name.
        (tmp_path / "in").symlink_to(tmp_path / "ours")
        (await cross(route(tmp_path / "in" / "port.sock"), means=means(tmp_path))).close()

    play(scenario)


def test_anothers_socket_is_not_asked(tmp_path: Path, listener: socket.socket) -> None:
    async def scenario() -> None:
        theirs = os.getuid() + 1
        with pytest.raises(PermissionError, match="whom we do not ask"):
            await cross(route(tmp_path / "ours" / "port.sock"), means=means(tmp_path, theirs))

    play(scenario)


def test_without_settings_nothing_is_followed(tmp_path: Path, listener: socket.socket) -> None:
    async def scenario() -> None:
        with pytest.raises(Refused):
            await cross(route(tmp_path / "ours" / "port.sock"))

    play(scenario)


def test_a_socket_that_is_not_there_and_a_path_that_can_be_none(tmp_path: Path) -> None:
    async def scenario() -> None:
        with pytest.raises(FileNotFoundError):
            await cross(route(tmp_path / "ours" / "gone.sock"), means=means(tmp_path))

    play(scenario)


OWN = pwd.getpwuid(os.getuid()).pw_name


def test_settings_allow_further_directories_to_their_owners(tmp_path: Path) -> None:
    async def scenario() -> None:
        with listen_unix(tmp_path / "db" / "s.5432"):
            (tmp_path / "link").symlink_to(tmp_path / "db")
            allowed = Means(settings=Settings(sockets={str(tmp_path / "link"): OWN}))
            with await cross(route(tmp_path / "db" / "s.5432"), means=allowed):
                pass
            theirs = Means(settings=Settings(sockets={str(tmp_path / "db"): "nobody"}))
            with pytest.raises(PermissionError, match="whom we do not ask"):
                await cross(route(tmp_path / "db" / "s.5432"), means=theirs)
            missing = Means(settings=Settings(sockets={str(tmp_path / "db"): "no.such.user"}))
            with pytest.raises(SettingsError, match=r"there is no user no\.such\.user"):
                await cross(route(tmp_path / "db" / "s.5432"), means=missing)

    play(scenario)


def test_abstract_names_that_settings_allow_are_followed(tmp_path: Path) -> None:
    async def scenario() -> None:
        name = f"glasnost-test-{os.getpid()}"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(f"\0{name}")
            listener.listen()
            to = f"host.4f2a91/unix:@{name}"
            with await cross(to, means=Means(settings=Settings(sockets={"@glasnost-*": OWN}))):
                pass
            with pytest.raises(Refused, match="nowhere that"):
                await cross(to, means=Means(settings=Settings(sockets={"@other-*": OWN})))
            with pytest.raises(PermissionError, match="is served by user"):
                await cross(to, means=Means(settings=Settings(sockets={"@*": "nobody"})))

    play(scenario)
