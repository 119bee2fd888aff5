"""Who only waits to be let in: hears the server's status, and leaves the stream as it was."""

from __future__ import annotations

import asyncio

import pytest

from glasnost.core.wire import header
from glasnost.errors import PathCut, Refused
from tests.net.pairs import LOOPS, App, run, tls_pair, turns, until

pytestmark = pytest.mark.parametrize("loop", LOOPS)

NO = header.Answer("denied", "the policy lets nobody in")


@pytest.mark.parametrize("size", [1, 100], ids=["byte by byte", "in one piece"])
def test_what_follows_the_status_is_the_applications(loop: str, size: int) -> None:
    async def scenario() -> None:
        client, server = await tls_pair(accepted=False)
        entering = asyncio.ensure_future(client.let_in())
        await turns()
        assert not entering.done()
        said = header.ACCEPTED + b"a banner"
        for at in range(0, len(said), size):
            server.write(said[at : at + size])
        await entering
        app = App()
        client.attach(app)
        await until(lambda: app.data == b"a banner")
        client.close()
        await turns()
        server.abort()
        await turns()

    run(loop, scenario())


def test_a_refusal_is_raised(loop: str) -> None:
    async def scenario() -> None:
        client, server = await tls_pair(accepted=False)
        refusing = asyncio.ensure_future(server.refuse(NO))
        with pytest.raises(Refused, match="lets nobody in"):
            await client.let_in()
        await refusing
        await turns()

    run(loop, scenario())


@pytest.mark.parametrize("properly", [True, False])
def test_a_server_that_ends_before_it_said_anything(loop: str, properly: bool) -> None:
    async def scenario() -> None:
        client, server = await tls_pair(accepted=False)
        entering = asyncio.ensure_future(client.let_in())
        if properly:
            server.close()
        else:
            server.abort()
        with pytest.raises(PathCut):
            await entering
        await turns()

    run(loop, scenario())


def test_who_has_been_let_in_may_leave_at_once(loop: str) -> None:
    """The server's application sees a proper end, and no byte."""

    async def scenario() -> None:
        client, server = await tls_pair()
        app = App(stays=False)
        server.attach(app)
        await client.let_in()
        client.close()
        await until(lambda: app.ends)
        assert app.eof and app.end is None and not app.data
        await turns()

    run(loop, scenario())
