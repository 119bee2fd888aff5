"""HTCondor's own bindings as the client: each in a process of its own, with a configuration made
for it, against a server of ours."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from glasnost.condor.commands import Command
from glasnost.condor.security.methods.base import Doorkeeper, Peer
from glasnost.condor.security.negotiation import Myself, Policy
from glasnost.condor.security.sessions import ServerSessions
from glasnost.condor.server.call import Call, Then
from glasnost.condor.server.command import nops, serve
from glasnost.condor.server.settings import Authorize, Served, Server
from glasnost.condor.stream import CedarStream

#: What the process runs: each request of a list, in order, its results as JSON.
SCRIPT = """
import json, sys
import classad2, htcondor2
found = []
for what, address, *more in json.loads(sys.argv[1]):
    try:
        if what == "query":
            collector, kind = htcondor2.Collector(address), htcondor2.AdType.Schedd
            ads = collector.query(kind, "X > 1", ["Name", "X"])
            found.append([{name: str(ad[name])[:40] for name in ad} for ad in ads])
        elif what == "advertise":
            ads = [classad2.ClassAd(ad) for ad in more[0]]
            command, tcp = (*more[1:], *["UPDATE_SCHEDD_AD", True][len(more) - 1 :])
            htcondor2.Collector(address).advertise(ads, command, tcp)
            found.append("advertised")
        elif what in ("locate", "locateAll", "directQuery", "ask"):
            kinds = htcondor2.AdType if what == "ask" else htcondor2.DaemonType
            method = getattr(htcondor2.Collector(address), "query" if what == "ask" else what)
            ads = method(getattr(kinds, more[0]), *more[1:])
            ads = ads if isinstance(ads, list) else [ads]
            found.append([{name: str(ad[name]) for name in ad} for ad in ads])
        else:
            ad = htcondor2.ping(address, *more)
            found.append({name: str(ad[name]) for name in ad})
    except Exception as error:
        found.append(f"{type(error).__name__}: {error}")
print(json.dumps(found))
"""

#: What any process of HTCondor must be told, or it reads the system's own files.
CONFIG = {
    "LOCAL_CONFIG_FILE": "",
    "LOCAL_CONFIG_DIR": "",
    "USER_CONFIG_FILE": "",
    "UID_DOMAIN": "wire.test",
    "TRUST_DOMAIN": "wire.test",
    "FULL_HOSTNAME": "localhost",
    "SEC_PASSWORD_DIRECTORY": "$(LOCAL_DIR)/passwords.d",
    "SEC_TOKEN_DIRECTORY": "$(LOCAL_DIR)/tokens.d",
    "SEC_TOKEN_SYSTEM_DIRECTORY": "$(LOCAL_DIR)/none.d",
    "TOOL_TIMEOUT_MULTIPLIER": "1",
}


@dataclass
class Daemon:
    """A server of ours that knows one ad, hears updates, and notes who asked and how."""

    server: Policy
    keeper: Doorkeeper
    allow: Authorize = lambda level, who, where: True
    heard: list[tuple[str, str, str, bool, list[bytes]]] = field(default_factory=list)
    sessions: ServerSessions = field(default_factory=ServerSessions)
    ads: int = 1
    _serving: set[asyncio.Task[None]] = field(default_factory=set)

    def answering(self) -> Server:
        served: dict[int, Served] = {
            Command.QUERY_SCHEDD_ADS: Served.of(Command.QUERY_SCHEDD_ADS, self.answer),
            Command.UPDATE_SCHEDD_AD: Served.of(Command.UPDATE_SCHEDD_AD, self.note),
        }
        me = Myself(subsystem="COLLECTOR", trust_domain="wire.test", issuer_keys=("POOL",))
        return Server(
            commands={**nops(), **served},
            authorize=self.allow,
            policy=lambda level: self.server,
            me=lambda: me,
            keeper=self.keeper,
            clock=self.keeper.clock,
            sessions=self.sessions,
        )

    async def note(self, call: Call) -> Then:
        message = await call.payload()
        ad = message.ad()
        message.end()
        who = call.identity
        name = Command(call.command).name
        self.heard.append((name, who.user, who.method, call.stream.encrypted, ad))
        return Then.READ_ON

    async def answer(self, call: Call) -> Then:
        await self.note(call)
        writer = call.stream.writer()
        for number in range(self.ads):
            writer.integer(1)
            writer.ad([b'Name = "s%d"' % number, b"X = 1 + 2", b'Y = "' + b"y" * 5000 + b'"'])
        writer.integer(0)
        await call.stream.send(writer)
        return Then.CLOSE

    @contextlib.asynccontextmanager
    async def listening(self, host: str) -> AsyncIterator[str]:
        """Its endpoint, while it answers there."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.create_server((host, 0), family=family) as listener:
            listener.setblocking(False)
            port = listener.getsockname()[1]
            endpoint = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            accepting = asyncio.create_task(self._accept(listener, endpoint))
            try:
                yield endpoint
            finally:
                accepting.cancel()
                for task in self._serving:
                    task.cancel()
                await asyncio.gather(accepting, *self._serving, return_exceptions=True)

    async def _accept(self, listener: socket.socket, endpoint: str) -> None:
        server, peer = self.answering(), Peer(endpoint)
        while True:
            sock, _ = await asyncio.get_running_loop().sock_accept(listener)
            stream = CedarStream(sock)
            task = asyncio.create_task(serve(stream, server, "127.0.0.1:5", peer))
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)


async def bindings(
    folder: Path,
    config: Mapping[str, str],
    requests: list[list[Any]],
    verbatim: str = "",
    **variables: str,
) -> list[Any]:
    """What the bindings make of some requests, in one process. ``verbatim`` stands in their
    configuration behind everything else. A collector without an address is the pool's."""
    environment = at_home(folder, config, verbatim)
    process = await asyncio.create_subprocess_exec(
        *command(requests),
        env={**os.environ, **environment, **variables},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return list(json.loads(out))


def command(requests: list[list[Any]]) -> list[str]:
    """A command line that prints what comes of some requests."""
    return [sys.executable, "-c", SCRIPT, json.dumps(requests)]


def at_home(folder: Path, config: Mapping[str, str], verbatim: str = "") -> dict[str, str]:
    """The variables of a process that has this configuration, and its things in ``folder``."""
    for name in ("passwords.d", "tokens.d", "none.d", "log"):
        (folder / name).mkdir(mode=0o700, exist_ok=True)
    file = folder / "condor_config"
    told = {"LOCAL_DIR": str(folder), "LOG": f"{folder}/log", **CONFIG, **config}
    file.write_text("".join(f"{name} = {value}\n" for name, value in told.items()) + verbatim)
    return {"CONDOR_CONFIG": str(file), "HOME": str(folder)}
