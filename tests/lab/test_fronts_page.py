"""What docs/howto/fronts.md says to write is what works, word by word but for places."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from glasnost.errors import StageFailed
from glasnost.settings import Settings, TlsSetting
from glasnost.stages import Means
from glasnost.stages.walk import walk
from glasnost.testing.contracts import path
from glasnost.testing.lab import Host, Lab
from glasnost.testing.world import World
from tests.lab import servers
from tests.lab.conftest import Wire
from tests.stages.fronts import NAME, Front, certificate

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("needs_lab")]

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "fronts.md"
SIZE = 300_000


def blocks(language: str) -> list[str]:
    """The page's blocks of this language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)


class Behind:
    """An office whose firewall lets nobody in but at its two fronts' port 443, and somebody at
    home. ``cm`` is behind nginx, ``shop`` behind haproxy."""

    def __init__(self, lab: Lab, world: World) -> None:
        self.world = world
        office = lab.site("office", inbound="drop")
        self.nginx, self.haproxy = (
            lab.host(name, office, public=True) for name in ("nginx", "haproxy")
        )
        self.cm, self.shop = (lab.host(name, office) for name in ("cm", "shop"))
        self.home = lab.host("home")
        lab.up()
        office.firewall('oifname "wan" drop', "forward")
        self.folder = world.folder / "fronts"
        self.folder.mkdir()
        shown = certificate(self.folder)
        self._start_fronts(shown)
        by_websocket, by_tls, client = blocks("toml")
        world.settings = self.placed(client, self.nginx, self.cm)
        world.found(self.cm, "office")
        self._set(self.cm, self.placed(by_websocket, self.nginx, self.cm))
        for role in ("agent", "authority", "directory"):
            world.start(self.cm, role)
        world.wait_for_agents([self.cm])
        world.wait_for_names(self.cm, ["authority.cm", "directory.cm"])
        world.join(self.cm, [self.shop, self.home], {"shop": ["office"]})
        self._set(self.shop, self.placed(by_tls, self.haproxy, self.shop))
        for host in (self.shop, self.home):
            world.start(host, "agent")
        world.wait_for_agents([self.shop, self.home])
        for host in (self.cm, self.shop):
            world.serve(host, "web")
        world.wait_for_names(self.home, ["web.cm", "web.shop"])

    def placed(self, text: str, front: Host, host: Host) -> str:
        """A block of the page, with the places that are meant."""
        files = {"gate.pem": "front.crt", "gate.key": "front.key", "gate.both.pem": "both.pem"}
        files["our-authority.pem"] = "front.crt"
        for name, here in files.items():
            text = text.replace(f"/etc/ssl/{name}", str(self.folder / here))
        return text.replace("198.51.100.4", outside(front)).replace("10.1.2.3", str(host.ip4))

    def wrong(self) -> dict[str, str]:
        """Paths that lead where the page's table tells of."""
        return {
            "/nobody": "http://127.0.0.1:1",
            "/deaf": f"http://{self.shop.ip4}:9618",
            "/elsewhere": f"http://{self.cm.ip4}:9618",
        }

    def _start_fronts(self, shown: Front) -> None:
        both = shown.authority.read_text() + shown.key.read_text()
        (self.folder / "both.pem").write_text(both)
        (nginx,), (haproxy,) = blocks("nginx"), blocks("haproxy")
        temporary = [f"{kind}_temp_path {self.folder}/{kind};" for kind in TEMPORARY]
        server = self.placed(nginx, self.nginx, self.cm)
        for place, to in self.wrong().items():
            location = f"location = {place} {{ proxy_pass {to}; {UPGRADE} }}"
            server = re.sub(r"\}\s*$", location + "}\n", server)
        block = "\n".join(["http {", "access_log off;", *temporary, server, "}"])
        servers.nginx(self.nginx, 443, self.folder, "", block)
        config = self.folder / "haproxy.cfg"
        config.write_text(self.placed(haproxy, self.haproxy, self.shop))
        command = ("haproxy", "-db", "-f", str(config))
        servers.start(self.haproxy, 443, *command, log=self.folder / "haproxy.log")

    def _set(self, host: Host, text: str) -> None:
        """In a settings file, what stands under no heading comes first."""
        file = self.world.folder / host.name / "glasnost.toml"
        file.write_text(text + file.read_text())


UPGRADE = (
    "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade;"
    " proxy_set_header Connection upgrade;"
)
#: What nginx would have below its own folder, which is not ours.
TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def outside(front: Host) -> str:
    return str(next(leg.ip4 for leg in front.legs if leg.interface == "eth1"))


@pytest.fixture(scope="module")
def behind(lab_reason: str | None) -> Iterator[Behind]:
    if lab_reason is not None:
        pytest.skip(lab_reason)
    servers.need("haproxy", "nginx")
    with Lab() as lab, World(lab) as world:
        yield Behind(lab, world)


def test_nothing_else_leads_in(behind: Behind, wire: Wire) -> None:
    assert wire.outcome(behind.home, outside(behind.nginx), 443) == "connected"
    assert wire.outcome(behind.home, behind.cm.ip4, 9618, silent=True) != "connected"


@pytest.mark.parametrize(
    ("name", "front", "stages"),
    [
        ("web.cm", "nginx", f"tls:{NAME}/ws:{NAME}:%2Fglasnost"),
        ("web.shop", "haproxy", f"tls:{NAME}"),
    ],
)
def test_a_service_behind_the_front_is_met_by_name(
    behind: Behind, name: str, front: str, stages: str
) -> None:
    fetched = behind.world.fetch(behind.home, name, SIZE)
    place = f"public/ip4:{outside(getattr(behind, front))}:443"
    assert fetched["ok"], fetched
    assert fetched["route"] == f"{place}/{stages}/service:web"


@pytest.mark.parametrize(
    ("route", "says"),
    [
        ("/nobody", "the front says: 502 Bad Gateway"),
        ("/page", "the front says: 404 Not Found"),
        ("/elsewhere", "the front says: 404 Not Found"),
        ("/deaf", "what answers there is a port that takes no WebSockets"),
    ],
)
def test_what_goes_wrong_is_said_as_the_page_has_it(behind: Behind, route: str, says: str) -> None:
    place = f"public/ip4:{outside(behind.nginx)}:443"
    on = path(f"{place}/tls:{NAME}/ws:{NAME}:%2F{route[1:]}/service:web")
    setting = TlsSetting(authorities=str(behind.folder / "front.crt"))
    with behind.home.inside(), pytest.raises(StageFailed) as caught:
        asyncio.run(walk(on, Means(settings=Settings(tls={NAME: setting}))))
    assert (caught.value.number, caught.value.why) == (3, says)
