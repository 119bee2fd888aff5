"""Metrics: they parse, follow the conventions, and count what has happened."""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from glasnost.core.wire import messages as m
from glasnost.core.wire.header import Call, encode_call
from glasnost.daemons.exporter import Exporter
from glasnost.daemons.metrics import PROCESS, TABLES
from glasnost.net.heartbeat import Heartbeat
from glasnost.roles.authority import Authority
from tests.roles.agent_lab import (
    call,
    everything,
    known_host,  # noqa: F401 (a fixture)
    running,
    serving_directory,
    settle,
)
from tests.roles.broker_lab import read, until, world
from tests.trust.pool import lab

#: The requester's call goes through the relay, too.
CALL_SIZE = len(encode_call(Call(to="echo")))
EVERY = [*PROCESS, *(metric for table in TABLES.values() for metric in table)]


def scrape(**roles: Any) -> dict[str, Any]:
    """What Prometheus would have read: by name, a value, or values by label."""
    page = Exporter(roles, Heartbeat()).metrics()
    assert page.kind.startswith("text/plain; version=0.0.4")
    found: dict[str, Any] = {}
    for family in text_string_to_metric_families(page.body.decode()):
        for sample in family.samples:
            if sample.labels:
                (label,) = sample.labels.values()
                found.setdefault(sample.name, {})[label] = sample.value
            else:
                found[sample.name] = sample.value
    return found


def test_names_follow_the_conventions() -> None:
    names = [metric.name for metric in EVERY]
    assert len(names) == len(set(names)), "each name once"
    for metric in EVERY:
        assert re.fullmatch("glasnost_[a-z_]+", metric.name)
        assert metric.says.endswith(".") and "\n" not in metric.says
        units = {"bytes", "seconds"} & set(metric.name.split("_"))
        end = metric.name.removesuffix("_total").rpartition("_")[2]
        assert not units or end in units, f"{metric.name}: the unit stands last"


@pytest.mark.usefixtures("known_host")
def test_an_agent_and_a_directory_count_what_happens(tmp_path: Path) -> None:
    async def scenario() -> None:
        here = m.Directory(f"directory.node7.{lab().domain}", "")
        settle(tmp_path, directories=(here,))
        async with running(tmp_path) as agent, serving_directory(agent) as server:
            await until(lambda: server.status()["offered"]["taken"])
            await until(lambda: "told of everything" in agent.describe()["directories"].values())
            before = scrape(agent=agent, directory=server)
            assert before["glasnost_services"] == 1
            assert before["glasnost_directory_records"] == 1
            assert before["glasnost_directory_nodes"] == 1
            assert before["glasnost_directory_offered_records_total"]["taken"] == 1
            assert before["glasnost_directory_store_works"] == 1
            assert list(before["glasnost_directory_reached"].values()) == [1]
            assert before["process_open_fds"] > 3 and before["process_resident_memory_bytes"] > 1e6
            for role in ("node", "directory"):
                ends = before[f"glasnost_{role}_certificate_expiry_timestamp_seconds"]
                assert ends > time.time()

            for _ in range(3):
                await everything(await call(agent, Call(to="nobody")))
            await agent.listing("*")
            after = scrape(agent=agent, directory=server)
            counted = "glasnost_port_connections_total"
            assert after[counted] - before[counted] == 3
            refused = "no-service"
            earlier = before.get("glasnost_refusals_total", {}).get(refused, 0)
            assert after["glasnost_refusals_total"][refused] - earlier == 3
            assert (
                after["glasnost_port_handed_over_total"]
                == (after["glasnost_service_connections_total"]["directory"])
            )
            lists = [one["glasnost_directory_questions_total"].get("list", 0)
                     for one in (before, after)]  # fmt: skip
            assert lists[1] - lists[0] >= 1

    asyncio.run(scenario())


def test_a_broker_counts_dial_backs_relayed_bytes_and_failures() -> None:
    async def scenario() -> None:
        async with world() as w:
            answer = w.alice.ask(m.Request(contact="nobody", way="relay", timeout=5.0), timeout=10)
            with pytest.raises(Exception, match="nobody"):
                await answer
            ours, theirs = await w.relay()
            loop = asyncio.get_running_loop()
            await loop.sock_sendall(ours, b"x" * 1000)
            assert await read(theirs.sock, 1000) == b"x" * 1000
            await loop.sock_sendall(theirs.sock, b"y" * 500)
            assert await read(ours, 500) == b"y" * 500
            found = scrape(broker=w.broker)
            assert found["glasnost_broker_targets"] == 1
            assert found["glasnost_broker_channels"] == 2
            assert found["glasnost_broker_registrations_total"] == 1
            assert found["glasnost_broker_legs_total"] == 1
            assert found["glasnost_broker_dial_backs_total"] == 0
            assert found["glasnost_broker_streams"] == 1
            assert found["glasnost_broker_relayed_bytes_total"] == 1500 + CALL_SIZE
            assert sum(found["glasnost_broker_failures_total"].values()) == 1
            ours.close()
            theirs.sock.close()
            await until(lambda: not w.broker.status()["streams"])
            found = scrape(broker=w.broker)
            assert found["glasnost_broker_streams_ended_total"] == 1
            assert found["glasnost_broker_relayed_bytes_total"] == 1500 + CALL_SIZE

    asyncio.run(scenario())


def test_an_authority_counts_what_it_issues_and_refuses(tmp_path: Path) -> None:
    Authority.create(tmp_path / "authority", "lab", time.time())
    authority = Authority(tmp_path / "authority", tuple)

    async def now() -> dict[str, Any]:
        return scrape(authority=authority)

    bad = m.Enrol(id=1, token="x", secret=b"y" * 32, csr=b"no request")
    assert isinstance(authority._answer(bad, "198.51.100.9:4"), m.Failed)
    found = asyncio.run(now())
    assert found["glasnost_authority_certificates_total"] == {"enrolled": 0, "renewed": 0}
    assert sum(found["glasnost_authority_refusals_total"].values()) == 1
    assert found["glasnost_authority_nodes"] == found["glasnost_authority_open_tokens"] == 0


def test_who_cannot_work_says_why() -> None:
    class Role:
        def __init__(self, **status: Any) -> None:
            self.status = lambda: status

    def health(**roles: Any) -> tuple[int, bytes]:
        page = Exporter(roles, Heartbeat()).health()
        return page.status, page.body

    async def scenario() -> None:
        later = time.time() + 1000
        well = Role(certificate_not_after=later)
        full = Role(certificate_not_after=later, store="fails")
        old = Role(certificate_not_after=later - 2000)
        assert health(broker=well) == (200, b"well\n")
        assert health(broker=old, directory=full) == (
            503,
            b"broker: its certificate has expired\ndirectory: records cannot be written\n",
        )

    asyncio.run(scenario())
