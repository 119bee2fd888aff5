"""The broker over real connections: what targets and requesters are told, byte for byte where the
vectors say it, and what becomes of them."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from pathlib import Path
from typing import Any

import pytest

from glasnost.condor.ccb import server
from glasnost.condor.ccb.words import NOT_PERMITTED, unknown_id
from glasnost.condor.classad import Ad
from glasnost.condor.commands import Command
from glasnost.condor.security.negotiation import Policy
from glasnost.condor.stream import CedarStream
from glasnost.errors import PathCut
from tests.condor.ccb.broker_lab import (
    AES,
    POLICIES,
    RAW,
    has_ended,
    receive,
    send,
    send_more,
    site,
    talk,
)
from tests.net.pairs import LOOPS, run, until

pytestmark = pytest.mark.parametrize("loop", LOOPS)

WAYS = pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)


@WAYS
def test_a_target_is_dialled_back_from(loop: str, policy: Policy) -> None:
    async def scenario() -> None:
        async with site() as here:
            target = await here.target(policy)
            assert target.contact == f"{here.own}#1"
            requester = await here.request("1", policy)
            request = await target.next()
            at = str(request["Name"]).removeprefix("PYREQ on <127.0.0.1:")
            assert at[:-1].isdecimal()
            assert at[-1] == ">"
            assert {**request} == {
                "Name": request["Name"],
                "ClaimId": requester.connect_id,
                "Command": 68,
                "MyAddress": request["MyAddress"],
                "RequestID": "1",
            }
            theirs = await target.dial(request)
            ours, hello = await requester.dialled()
            assert hello["ClaimId"] == requester.connect_id
            with ours, theirs:
                await talk(ours, theirs)
            await target.answer(request)
            assert await requester.result() == Ad({"Result": True, "ErrorString": ""})
            target.close()

    run(loop, scenario())


@WAYS
def test_a_stream_is_relayed(loop: str, policy: Policy) -> None:
    async def scenario() -> None:
        async with site(secure=policy is AES) as here:
            target = await here.target(policy)
            requester = await here.request(target.ccbid, policy, streaming=True)
            request = await target.next()
            assert request["MyAddress"] == f"<{here.own}>"
            assert request["CCBPriorHop"] == here.own
            assert str(request["CCBOriginalRequester"]).startswith(
                "unauthenticated@unmapped at <127.0.0.1:"
            )
            theirs = await target.dial(request)
            ours, hello = await requester.stream()
            assert hello["ClaimId"] == requester.connect_id
            assert hello["CCBPriorHop"] == here.own  # what a target says more is passed on
            await target.answer(request)
            with ours, theirs:
                assert here.broker.counts["streams"] == 1
                await talk(ours, theirs)
            await until(lambda: not here.broker.counts["streams"])
            target.close()

    run(loop, scenario())


def test_who_is_behind_a_broker_itself_is_relayed(loop: str) -> None:
    async def scenario() -> None:
        async with site() as here:
            target = await here.target()
            returns = "<10.0.0.7:5?CCBID=192.0.2.9:9618#3>"
            requester = await here.request("1", returns=returns)
            request = await target.next()
            assert request["MyAddress"] == f"<{here.own}>"
            requester.close()
            target.close()

    run(loop, scenario())


def test_requests_of_one_target_do_not_wait_for_each_other(loop: str) -> None:
    async def scenario() -> None:
        async with site() as here:
            target = await here.target(AES)
            requesters = [await here.request("1") for _ in range(20)]
            requests = [await target.next() for _ in requesters]
            for request in reversed(requests):
                await target.answer(request, "no " + str(request["RequestID"]))
            said = [(await one.result())["ErrorString"] for one in requesters]
            assert said == [f"no {number}" for number in range(1, 21)]
            target.close()

    run(loop, scenario())


REFUSED = [
    ("nobody is registered so", {"ccbid": "99999"}, unknown_id(99999)),
    ("no number", {"ccbid": "abc"}, "invalid CCBID"),
    ("a contact with two ids", {"ccbid": "1#4", "streaming": True}, "invalid CCBID"),
    ("a route that is none", {"ccbid": "1", "CCBRoute": "x"}, "invalid tunnel route"),
]


@pytest.mark.parametrize(
    ("asked", "error"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
def test_what_cannot_be_served_is_told(loop: str, asked: dict[str, Any], error: str) -> None:
    async def scenario() -> None:
        async with site() as here:
            target = await here.target()
            requester = await here.request(**asked)
            answer = await requester.result()
            assert answer == Ad({"Result": False, "ErrorString": error})
            target.close()

    run(loop, scenario())


def test_a_request_without_a_connect_id_is_closed_without_a_word(loop: str) -> None:
    async def scenario() -> None:
        async with site() as here:
            requester = await here.request("1", ClaimId="")
            assert await has_ended(requester.call.stream)
            requester.close()

    run(loop, scenario())


def test_nobody_is_dialled_for_others(loop: str) -> None:
    async def scenario() -> None:
        async with site() as here:
            call = await here.command(Command.CCB_PROXY_CONNECT, RAW)
            asked: dict[str, Any] = {
                "MyAddress": "<192.0.2.1:80>",
                "ClaimId": "x",
                "CCBTTL": 8,
                "Name": "x",
            }
            await send(call, Ad(asked))
            answer = await receive(call.stream)
            assert answer == Ad({"Result": False, "ErrorString": NOT_PERMITTED})
            assert await has_ended(call.stream)
            call.stream.close()

    run(loop, scenario())


def test_a_way_through_nested_brokers_is_passed_on(loop: str) -> None:
    async def scenario() -> None:
        async with site() as here:
            inner = await here.target()  # an inner broker registers as any target does
            requester = await here.request("1", streaming=True, CCBRoute="4 7")
            request = await inner.next()
            assert request["CCBRoute"] == "4 7"
            theirs = await inner.dial(request)
            ours, hello = await requester.stream()
            assert hello["CCBRoute"] == "4 7"
            with ours, theirs:
                await talk(ours, theirs)
            inner.close()

    run(loop, scenario())


@WAYS
def test_a_heartbeat_is_answered_alike(loop: str, policy: Policy) -> None:
    async def scenario() -> None:
        async with site() as here:
            target = await here.target(policy)
            assert await target.heartbeat() == Ad({"Command": 441})
            target.close()

    run(loop, scenario())


def test_a_target_that_goes_fails_what_it_was_asked(loop: str) -> None:
    async def scenario() -> None:
        async with site() as here:
            target = await here.target()
            requester = await here.request("1")
            await target.next()
            target.close()
            answer = await requester.result()
            assert answer["ErrorString"] == "failed to forward request to target"

    run(loop, scenario())


def test_a_target_with_a_wrong_connect_id_is_dropped(loop: str) -> None:
    async def scenario() -> None:
        async with site() as here:
            target = await here.target()
            requester = await here.request("1")
            await target.answer(await target.next(), ClaimId="another's")
            assert await has_ended(target.call.stream)
            target.close()
            assert (await requester.result())["Result"] is False

    run(loop, scenario())


def test_a_requester_that_hangs_up_is_forgotten(loop: str) -> None:
    async def scenario() -> None:
        async with site() as here:
            target = await here.target()
            requester = await here.request("1", streaming=True)
            request = await target.next()
            requester.close()
            await until(lambda: not here.broker.counts["requests"])
            with await target.dial(request) as sock:
                assert await has_ended(CedarStream(sock))
            await target.answer(request)  # too late, which is nobody's fault
            assert await target.heartbeat() == Ad({"Command": 441})
            target.close()

    run(loop, scenario())


def test_a_hello_that_nobody_waits_for_is_closed(loop: str) -> None:
    async def scenario() -> None:
        async with site() as here:
            target = await here.target()
            made = Ad({"MyAddress": f"<{here.own}>", "RequestID": "7", "ClaimId": "x"})
            with await target.dial(made) as sock:
                assert await has_ended(CedarStream(sock))
            target.close()

    run(loop, scenario())


@pytest.mark.parametrize("line", [b"no attribute", b"= x"])
def test_a_target_that_says_nonsense_is_let_go(loop: str, line: bytes) -> None:
    async def scenario() -> None:
        async with site() as here:
            target = await here.target()
            writer = target.call.stream.writer()
            writer.ad([line])
            await target.call.stream.send(writer)
            assert await has_ended(target.call.stream)
            target.close()

    run(loop, scenario())


def test_who_comes_back_has_its_id_even_after_a_restart(loop: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        kept = tmp_path / "ccb_reconnect"
        async with site(kept) as here:
            first, second = await here.target(), await here.target()
            assert (first.ccbid, second.ccbid) == ("1", "2")
            first.close()
            again = await here.target(AES, old=first.welcome)
            assert again.welcome == first.welcome
            stranger = await here.target(old=Ad({"CCBID": first.contact, "ClaimId": "31415"}))
            assert stranger.ccbid == "3"
            bare = await here.target(old=Ad({"CCBID": "1", "ClaimId": first.welcome["ClaimId"]}))
            assert bare.ccbid == "4"
            for target in (second, again, stranger, bare):
                target.close()
        assert kept.stat().st_mode & 0o777 == 0o600
        async with site(kept) as here:
            back = await here.target(old=second.welcome)
            assert back.ccbid == "2"
            assert back.welcome["ClaimId"] == second.welcome["ClaimId"]
            new = await here.target()
            assert new.ccbid == "105"  # 100 behind the last, as HTCondor
            new.close()
            back.close()

    run(loop, scenario())


def test_a_broker_without_room_says_so(loop: str) -> None:
    async def scenario() -> None:
        async with site(targets=1, requests_per_source=1) as here:
            target = await here.target()
            with pytest.raises(PathCut):
                await here.target()
            requester = await here.request("1")
            await target.next()
            refused = await here.request("1")
            said = "1 requests of 127.0.0.1 are in flight, its limit"
            assert (await refused.result())["ErrorString"] == said
            requester.close()
            target.close()

    run(loop, scenario())


def test_at_its_end_streams_are_cut(loop: str) -> None:
    async def scenario() -> None:
        async with site() as here:
            target = await here.target()
            requester = await here.request("1", streaming=True)
            theirs = await target.dial(await target.next())
            ours, _ = await requester.stream()
            await here.broker.close()
            for sock in (ours, theirs):
                with sock, pytest.raises(ConnectionResetError):
                    await asyncio.get_running_loop().sock_recv(sock, 1)
            target.close()

    run(loop, scenario())


def test_a_target_that_reads_nothing_is_dropped(loop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        monkeypatch.setattr(server, "MAX_UNSENT", 2)
        async with site() as here:
            target = await here.target()
            [link] = here.broker._targets.values()
            link.stream.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
            target.call.stream.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
            with contextlib.suppress(PathCut):
                while here.broker.counts["targets"]:
                    await send_more(target.call.stream, Ad({"Command": 441}))
            await until(lambda: not here.broker.counts["targets"])
            target.close()

    run(loop, scenario())
