"""HTCondor's own bindings as the client: through our port to a service of ours, and through our
broker, by dial-back and by relay, where nobody can dial it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from glasnost.condor.addresses.sinful import Sinful
from glasnost.condor.port import serving
from glasnost.condor.security.methods.base import Doorkeeper, Peer
from glasnost.condor.security.negotiation import NOBODY, Policy
from glasnost.condor.security.words import Word
from glasnost.condor.server.command import serve
from glasnost.condor.stream import CedarStream
from glasnost.net.port import Incoming
from tests.condor.bindings import Daemon, bindings
from tests.condor.ccb.broker_lab import AES, site
from tests.condor.daemon import caller
from tests.condor.port.registered import registered
from tests.roles.agent_lab import known_host as known_host

pytest.importorskip("htcondor2", reason="HTCondor's library has wheels for Linux only")
pytestmark = pytest.mark.usefixtures("known_host")

#: Encrypted, as a default pool wants it of everybody.
POLICY = Policy(authentication=Word.OPTIONAL, encryption=Word.REQUIRED, methods=())
FOUND = [[{"Name": "s0", "X": "1 + 2", "Y": "y" * 40}]]
#: A tool that may write where sockets lie makes itself one; here it listens by itself.
DIALLED = {"USE_SHARED_PORT": "false"}
RELAYED = {**DIALLED, "TOOLS_ASSUME_FIREWALLS": "true"}

WAYS = [
    # how, the settings, whether the address is one that can be dialled
    ("through the port", {}, True),
    ("by dial-back", DIALLED, False),
    ("by relay", RELAYED, False),
]


@pytest.mark.parametrize(
    ("config", "direct"), [way[1:] for way in WAYS], ids=[way[0] for way in WAYS]
)
def test_a_service_of_ours_is_asked(
    config: dict[str, str], direct: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "current_caller", lambda: caller(AES))

    async def scenario() -> None:
        daemon = Daemon(POLICY, Doorkeeper(uid_domain="wire.test"))
        tasks: set[asyncio.Task[None]] = set()

        def take(incoming: Incoming) -> None:
            work = serve(
                CedarStream(incoming.sock), daemon.answering(), incoming.peer, Peer("", "schedd")
            )
            task = asyncio.create_task(work)
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        async with (
            site(secure=True) as broker,
            registered(tmp_path, broker.own, take) as found,
        ):
            own = found.service.address("schedd").with_params(PrivNet=None)
            # Nobody listens at port 1: who gets there came through the broker.
            params = dict(own.params) | {"addrs": "127.0.0.1-1"}
            hidden = Sinful.of("127.0.0.1", "1", params)
            address = str(own.with_params(CCBID=None) if direct else hidden)
            answers = await bindings(tmp_path / "tool", config, [["query", address]])
            assert answers == FOUND
            assert daemon.heard[0][:2] == ("QUERY_SCHEDD_ADS", NOBODY)
            await asyncio.gather(*tasks)

    (tmp_path / "tool").mkdir()
    asyncio.run(scenario())


def test_the_port_itself_is_pinged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its header is a part of this one conversation, which the encrypted packets vouch for."""
    monkeypatch.setattr(serving, "current_caller", lambda: caller(AES))

    async def scenario() -> None:
        async with site() as broker, registered(tmp_path, broker.own) as found:
            address = f"<127.0.0.1:{found.number}?sock=self>"
            asked = [["ping", address, level] for level in ("READ", "DAEMON")]
            answers = await bindings(tmp_path / "tool", {}, asked)
            assert [answer["AuthorizationSucceeded"] for answer in answers] == ["True", "False"]

    (tmp_path / "tool").mkdir()
    asyncio.run(scenario())
