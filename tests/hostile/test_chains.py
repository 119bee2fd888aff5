"""Who shows a certificate chain that does not hold is told so, and nothing is held for him."""

from __future__ import annotations

import asyncio
import logging
import socket
from pathlib import Path

import pytest

from glasnost.core.wire.messages import Ping, RenewNode
from glasnost.errors import GlasnostError, PathCut, Refused, TrustError
from glasnost.net.channel import open_channel
from glasnost.trust import checks
from glasnost.trust.certificates import make_csr
from tests.hostile.chains import CHAINS
from tests.hostile.doors import door
from tests.roles.authority_lab import Lab
from tests.roles.broker_lab import CODEC
from tests.trust.pool import Pool, lab, node7

OTHER = "203.0.113.6:4711"


@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize("name", ["broker", "directory"])
def test_a_chain_that_does_not_hold_lets_nobody_in(
    name: str, chain: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The client hears why, and the others are let in as before."""
    shown = CHAINS[chain](lab(), node7())

    async def ask(sock: socket.socket) -> None:
        channel = await open_channel(sock, shown, f"{name}.*", CODEC)
        await channel.ask(Ping(), 20)

    async def scenario() -> None:
        async with door(name, tmp_path) as role:
            with pytest.raises((GlasnostError, OSError)) as caught:
                await ask(role.call("203.0.113.5:1"))
            assert isinstance(caught.value, (TrustError, Refused, PathCut, ConnectionError))
            await role.ask(OTHER)

    with caplog.at_level(logging.DEBUG):
        asyncio.run(scenario())
    assert [one for one in caplog.messages if one.startswith("not let in: ")]
    assert not [one for one in caplog.records if one.exc_info]


@pytest.mark.parametrize("chain", CHAINS)
def test_a_chain_that_does_not_hold_renews_nothing(chain: str, tmp_path: Path) -> None:
    """Neither what stands first in it nor any other certificate of it, but for the node's own,
    which needs the node's own key."""
    site = Lab(tmp_path)
    pool = Pool(site.clock.now)
    pool.key, pool.root = site.authority._root_key, site.authority.root
    shown = CHAINS[chain](pool, pool.node("node7"))
    for certificate in shown.chain:
        question = RenewNode(certificate=checks.to_der(certificate), csr=make_csr(shown.key))
        with pytest.raises(TrustError):
            site.authority.renew(question)
    assert site.authority.status()["issued"] == {"enrolled": 0, "renewed": 0}
