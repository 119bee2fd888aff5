"""Queries through a directory server, and through an agent's local socket."""

from __future__ import annotations

import asyncio

import pytest

from glasnost.core.wire.messages import Party, Query, Record, Signed, decode_record
from glasnost.errors import Refused
from glasnost.roles.directory_client import DirectoryClient
from glasnost.trust.records import sign_record
from tests.roles.directory_lab import full, served
from tests.trust.pool import node7

V4, V6 = "public/ip4:192.0.2.1:9618", "public/ip6:[2001:db8::1]:9618"
FAR = 4_000_000_000


def owned(service: str, address: str, reach: str, role: str) -> Signed:
    record = Record(
        full(f"{service}.node7"),
        address,
        tuple(reach.split()),
        {"role": role},
        sequence=1,
        not_after=FAR,
    )
    return sign_record(record, node7().key, node7().cert)


POOL = (
    owned("a", V4, "ip4@public", "startd"),
    owned("b", V6, "ip6@public", "startd"),
    owned("schedd", V4, "ip4@public", "schedd"),
)


async def asked(client: DirectoryClient, query: Query) -> list[str]:
    found = await client.query(query)
    assert all(0 <= age < 60 for _, age in found)
    return [decode_record(signed.payload).name.partition(".")[0] for signed, _ in found]


def test_a_directory_answers_by_label_and_by_reachability() -> None:
    async def scenario() -> None:
        async with served() as (_, client):
            await client.publish(POOL)
            workers = Query(selector=("role=startd",))
            assert await asked(client, workers) == ["a", "b"]
            schedd = Party(name=full("schedd.node7"))
            mine = Query(selector=("role=startd",), reachable_from=schedd, reachable_to=schedd)
            assert await asked(client, mine) == ["a"]
            here = Party(vantage={"exits": [{"lands": "ip6@public"}], "returns": []})
            assert await asked(client, Query(reachable_from=here)) == ["b"]
            with pytest.raises(Refused, match="none of key=value"):
                await client.query(Query(selector=("!",)))

    asyncio.run(scenario())


def test_a_query_of_many_pages_is_asked_for_to_its_end() -> None:
    async def scenario() -> None:
        async with served() as (_, client):
            many = [owned(f"s{n:03}", V4, "ip4@public", "x" if n % 2 else "y") for n in range(250)]
            await client.publish(many)
            found = await asked(client, Query(selector=("role=x",)))
            assert found == [f"s{n:03}" for n in range(1, 250, 2)]

    asyncio.run(scenario())
