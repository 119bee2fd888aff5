"""Watching a directory over real TLS: told at once, held, refused, and gone on after a restart."""

from __future__ import annotations

import asyncio

import pytest

from glasnost.core.wire.messages import Changes, Watch, decode_record
from glasnost.errors import Refused
from tests.roles.directory_lab import full, served, signed, until
from tests.trust.pool import lab, node8

PATIENT = 20.0


def test_who_watches_is_told_of_what_others_publish_and_withdraw() -> None:
    async def scenario() -> None:
        async with served() as (site, owner):
            watcher = site.client(lab().agent(node8()))
            begun = await watcher.watch(Watch())
            assert begun == Changes(id=begun.id, log=begun.log) and begun.log
            waiting = asyncio.create_task(watcher.watch(Watch(log=begun.log, hold=PATIENT)))
            await until(lambda: site.server and site.server.status()["watches"])
            web = signed("web.node7")
            await owner.publish([web])
            news = await waiting
            assert (news.records, news.seen) == ((web,), 1) and news.ages[0] >= 0
            waiting = asyncio.create_task(
                watcher.watch(Watch(log=news.log, seen=news.seen, hold=PATIENT))
            )
            await owner.withdraw([full("web.node7")])
            assert (await waiting).gone == {full("web.node7"): "withdrawn"}
            watcher.close()

    asyncio.run(scenario())


def test_one_that_was_away_goes_on_where_it_was_and_after_a_restart_anew() -> None:
    async def scenario() -> None:
        async with served() as (site, owner):
            watcher = site.client(lab().agent(node8()))
            begun = await watcher.watch(Watch())
            watcher.close()
            await owner.publish([signed("a.node7"), signed("b.node7")])
            watcher = site.client(lab().agent(node8()))
            missed = await watcher.watch(Watch(log=begun.log, seen=begun.seen, hold=PATIENT))
            names = [decode_record(one.payload).name for one in missed.records]
            assert names == [full("a.node7"), full("b.node7")]
            await site.stop()
            await site.start()
            with pytest.raises(Refused) as no:
                await watcher.watch(Watch(log=missed.log, seen=missed.seen, hold=PATIENT))
            assert no.value.code == "too-old"
            assert (await watcher.watch(Watch())).log != missed.log
            watcher.close()

    asyncio.run(scenario())


def test_who_leaves_is_waited_for_no_longer() -> None:
    async def scenario() -> None:
        async with served() as (site, _):
            assert site.server is not None
            server, watcher = site.server, site.client(lab().agent(node8()))
            begun = await watcher.watch(Watch())
            waiting = asyncio.create_task(watcher.watch(Watch(log=begun.log, hold=PATIENT)))
            await until(lambda: server.status()["watches"] == 1)
            waiting.cancel()
            watcher.close()
            await until(lambda: server.status()["watches"] == 0)

    asyncio.run(scenario())
