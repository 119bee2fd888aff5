"""Disks that are full, or read-only: nothing acknowledged is lost, and who asks is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from glasnost.core.wire.messages import Enrol
from glasnost.errors import Refused, SettingsError, Unavailable
from glasnost.roles.authority import Authority
from glasnost.store.sqlite import SqliteRecords
from glasnost.testing.lab.pytest_plugin import lab_reason, needs_lab  # noqa: F401 (fixtures)
from glasnost.trust.certificates import make_csr
from glasnost.trust.keys import new_key
from tests.roles.authority_lab import Lab
from tests.roles.directory_lab import full, served, signed
from tests.roles.small_disk import Disk, play

pytestmark = pytest.mark.usefixtures("needs_lab")


async def a_disk_that_fills_while_the_directory_serves(disk: Disk) -> None:
    path = disk.path / "records.sqlite"
    async with served(SqliteRecords(path)) as (site, client):
        server = site.server
        assert server is not None
        acknowledged = [f"s{number}.node7" for number in range(50)]
        await client.publish([signed(short) for short in acknowledged])
        disk.fill()
        refused = []
        for number in range(50):
            try:
                await client.publish([signed(short := f"t{number}.node7")])
                acknowledged.append(short)  # there was room left in a file
            except Refused as no:
                refused.append(str(no))
                break
        assert refused and "database or disk is full" in refused[0]
        status = server.status()
        assert status["store"] == "fails" and "disk is full" in status["store_trouble"]
        names = [full(short) for short in acknowledged]
        assert (await client.renew(names)).unknown == ()
        for name in names:
            assert (await client.lookup(name)).record is not None
        disk.free()
        await client.publish([signed("late.node7")])
        assert server.status()["store"] == "works"
        names.append(full("late.node7"))
    store = SqliteRecords(path)
    kept = await store.load()
    await store.close()
    assert set(names) <= set(kept), "nothing acknowledged is lost"


async def a_disk_that_is_full_when_the_directory_starts(disk: Disk) -> None:
    path = disk.path / "records.sqlite"
    async with served(SqliteRecords(path)) as (_, client):
        await client.publish([signed("a.node7")])
    disk.fill()
    async with served(SqliteRecords(path)) as (site, client):
        assert (await client.lookup(full("a.node7"))).record is not None
        assert (await client.renew([full("a.node7")])).unknown == ()
        with pytest.raises(Refused, match="disk is full"):
            await client.publish([signed("b.node7")])
        disk.free()
        await client.publish([signed("b.node7")])
        assert site.server is not None and site.server.status()["store"] == "works"
    path.unlink()
    disk.fill()
    with pytest.raises(SettingsError, match=f"cannot use {path}: .*disk is full"):
        await SqliteRecords(path).load()


async def a_disk_that_is_read_only_when_the_directory_starts(disk: Disk) -> None:
    path = disk.path / "records.sqlite"
    async with served(SqliteRecords(path)) as (_, client):
        await client.publish([signed("a.node7")])
    disk.read_only()
    with pytest.raises(SettingsError, match=f"cannot use {path}: Read-only file system"):
        await SqliteRecords(path).load()
    disk.read_only(False)
    async with served(SqliteRecords(path)) as (_, client):
        assert (await client.lookup(full("a.node7"))).record is not None


async def damage_on_a_full_disk(disk: Disk) -> None:
    """There is no room to begin anew in: it says so, and goes on as soon as there is some."""
    path = disk.path / "records.sqlite"
    path.write_bytes(b"no database")
    disk.fill()
    with pytest.raises(SettingsError, match=f"cannot use {path}: "):
        await SqliteRecords(path).load()
    disk.free()
    async with served(SqliteRecords(path)) as (_, client):
        await client.publish([signed("a.node7")])
    assert path.with_name("records.sqlite.damaged").read_bytes() == b"no database"


async def an_authority_on_a_full_disk(disk: Disk) -> None:
    lab = Lab(disk.path)
    token, key = lab.token(), new_key()
    disk.fill()
    question = Enrol(token=token.id, secret=token.secret, csr=make_csr(key))
    with pytest.raises(Unavailable, match="disk is full"):
        lab.token("other")
    with pytest.raises(Unavailable, match="disk is full"):
        lab.authority.enrol(question)
    assert lab.authority.status()["nodes"] == 0
    disk.free()
    lab.authority.enrol(question)  # the token was not used up
    assert lab.authority.status()["nodes"] == 1


async def an_authority_on_a_read_only_disk(disk: Disk) -> None:
    lab = Lab(disk.path)
    token = lab.token()
    disk.read_only()
    with pytest.raises(Unavailable, match="readonly"):
        lab.enrol(token, new_key())
    with pytest.raises(Unavailable, match="readonly"):
        lab.token("other")
    started_again = Authority(lab.home, lambda: (), clock=lab.clock)
    assert started_again.status()["open_tokens"] == 1
    disk.read_only(False)
    lab.enrol(token, new_key())


SCENARIOS = [
    a_disk_that_fills_while_the_directory_serves,
    a_disk_that_is_full_when_the_directory_starts,
    a_disk_that_is_read_only_when_the_directory_starts,
    damage_on_a_full_disk,
    an_authority_on_a_full_disk,
    an_authority_on_a_read_only_disk,
]


@pytest.mark.parametrize("name", [scenario.__name__ for scenario in SCENARIOS])
def test_on_a_small_disk(name: str, tmp_path: Path) -> None:
    play(tmp_path / "disk", __name__, name)
