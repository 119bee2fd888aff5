"""The directory as a library: a core, a store, and the channels of those who ask.

Members of the pool (whoever shows a certificate of it) may look up and list; nodes themselves,
and neither services nor users on them, change the names that are theirs. All that come from one
node share its turn, and nodes take turns.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from glasnost.core.protocols.directory import (
    Asked,
    Directory,
    Effect,
    Event,
    Left,
    Offered,
    Restored,
    Searching,
)
from glasnost.core.protocols.effort import STEP, cost
from glasnost.core.protocols.record_rules import LEASE, MAX_PAGE, refusal
from glasnost.core.protocols.record_table import Verified
from glasnost.core.protocols.watches import Watched
from glasnost.core.protocols.writes import Answer, NotWritten, Stored, Write, Written
from glasnost.core.wire.messages import (
    DIRECTORY,
    Codec,
    Failed,
    List,
    Lookup,
    Message,
    Publish,
    Published,
    Renew,
    Signed,
    Watch,
    Withdraw,
)
from glasnost.errors import ProtocolError, Refused, TrustError, Unavailable
from glasnost.net.channel import SILENCE, Channel
from glasnost.net.exact import refuse
from glasnost.net.port import Incoming
from glasnost.roles.admission import Handshakes, let_in
from glasnost.roles.turns import TakingTurns
from glasnost.stages import traits
from glasnost.store.records import RecordStore
from glasnost.trust.credentials import Credentials
from glasnost.trust.identity import Identity
from glasnost.trust.records import Verifier

log = logging.getLogger("glasnost.directory")

#: Connections at once: one for each agent of a large pool; at 25 kB each, 250 MB. Processes are
#: often allowed 20,000 descriptors.
MAX_CHANNELS: Final = 10_000
#: TLS handshakes at a time, apart from that: who never ends his takes no member's place. 2 ms of
#: CPU each, so that a pool that comes back all at once is let in well within their timeout.
MAX_HANDSHAKES: Final = 1_000
#: Of these, those from one node: its agent, and programs and commands that ask for themselves.
CHANNELS_PER_NODE: Final = 100

#: What is said to who comes when all places are taken.
FULL: Final = "the directory is full; try another, or again"


class DirectoryServer:
    """Serves one pool's names. Call `start` first; then give it connections by `take`."""

    def __init__(
        self,
        credentials: Credentials,
        verifier: Verifier,
        store: RecordStore,
        *,
        clock: Callable[[], float] = time.time,
        lease: float = LEASE,
        max_channels: int = MAX_CHANNELS,
        silence: float = SILENCE,
    ) -> None:
        self._credentials = credentials
        self._verifier = verifier
        self._store = store
        self._clock = clock  # of the wall; leases count the loop's, which is never set
        self._max_channels = max_channels
        self._silence = silence
        self._codec = Codec(DIRECTORY)
        log_id = secrets.token_hex(8)
        self._core = Directory(credentials.domain, lease=lease, kinds=traits(), log=log_id)
        self._loop = asyncio.get_running_loop()
        self._turns: TakingTurns[Message | Searching] = TakingTurns(self._serve)
        self._handshakes = Handshakes(self._accept, MAX_HANDSHAKES)
        self._channels: set[Channel] = set()
        self._per_node: Counter[str] = Counter()
        self._writing: asyncio.Task[None] | None = None
        self._trouble = ""  # why the store fails at the moment
        self._questions: Counter[str] = Counter()
        self._records = {"taken": 0, "refused": 0}
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at: float | None = None
        self._arming = False
        self._closing = self._ended = False

    def __repr__(self) -> str:
        return f"<DirectoryServer {self._core!r}, {len(self._channels)} channels>"

    async def start(self) -> None:
        """Read the store. Raises `SettingsError` if it cannot be used."""
        rows = await self._store.load()
        if self._store.lost:
            log.error("%s; agents publish again within a lease", self._store.lost)
        lost = [name for name in rows if not await self._restore(name, rows[name])]
        if lost:
            log.info("dropped %d kept records that no longer hold", len(lost))
            self._handle(Restored((), tuple(lost)))

    async def _restore(self, name: str, stored: Stored) -> bool:
        """Believe what the store has of a name, if it still holds."""
        await asyncio.sleep(0)  # other roles may share this loop
        verified = self._verify(stored.signed)
        if isinstance(verified, str) or verified.record.name != name:
            return False
        self._handle(Restored(((verified, stored.at),)))
        return True

    def take(self, incoming: Incoming) -> None:
        """Serve this connection; its socket is ours from here on."""
        if self._closing:
            why = "the directory is ending; try another, or again"
            refuse(incoming.sock, "busy", why, incoming.peer)
        elif len(self._channels) >= self._max_channels:
            refuse(incoming.sock, "busy", FULL, incoming.peer)
        else:
            self._handshakes.take(incoming)

    async def close(self) -> None:
        """End: what was asked before this is made durable and answered."""
        self._closing = True
        await self._handshakes.close()
        while self._turns:
            self._turns.work()
            await asyncio.sleep(0)
        while self._writing is not None:
            await asyncio.wait([self._writing])
        self._ended = True
        if self._timer is not None:
            self._timer.cancel()
        for channel in list(self._channels):
            channel.close()
        await self._store.close()

    def check(self) -> None:
        """Look at once whether all peers are there: this host has slept."""
        for channel in list(self._channels):
            channel.check()

    def status(self) -> dict[str, Any]:
        """What there is, for people and machines to read."""
        return {
            "records": len(self._core.table),
            "nodes": self._core.table.nodes,
            "certificate_not_after": self._credentials.not_after,
            "channels": len(self._channels),
            "watches": len(self._core.watches),
            "handshakes": len(self._handshakes),
            "waiting": self._core.waiting,
            "store": "fails" if self._trouble else "works",
            "store_trouble": self._trouble or self._store.lost,
            "questions": dict(self._questions),
            "offered": dict(self._records),
        }

    # --- channels -------------------------------------------------------------------------------

    async def _accept(self, incoming: Incoming) -> None:
        channel = await let_in(
            incoming,
            self._credentials,
            self._codec,
            self._hear,
            self._lost,
            self._admit,
            log,
            self._silence,
        )
        if channel is not None:
            self._channels.add(channel)
            self._per_node[channel.peer.node] += 1

    def _admit(self, peer: Identity) -> None:
        if len(self._channels) >= self._max_channels:  # others were faster
            raise Refused("busy", FULL)
        if self._per_node[peer.node] >= CHANNELS_PER_NODE:
            raise Refused("busy", f"{peer.node} has {CHANNELS_PER_NODE} connections here")

    def _lost(self, channel: Channel, error: BaseException | None) -> None:
        if channel in self._channels:
            self._channels.remove(channel)
            self._per_node[channel.peer.node] -= 1
            if not self._per_node[channel.peer.node]:
                del self._per_node[channel.peer.node]
            if not self._closing:
                self._handle(Left(channel))

    def _hear(self, channel: Channel, message: Message) -> None:
        match message:
            case _ if self._closing:
                channel.tell(Failed(id=message.id, code="unavailable", why="this directory ends"))
            case Publish(number, records) if len(records) > MAX_PAGE:
                why = f"{len(records)} records in one message where {MAX_PAGE} may be"
                channel.tell(Failed(id=number, code="too-large", why=why))
            case Publish() | Renew() | Withdraw() | Lookup() | List() | Watch():
                if not self._turns.ask(channel, cost(message), message):
                    why = f"{channel.peer.node} asks more than its share: wait for some answers"
                    channel.tell(Failed(id=message.id, code="busy", why=why))
            case _:  # an answer to nothing, which is not answered
                log.info("%s: %s is no question", channel.peer, type(message).__name__)

    def _serve(self, channel: Channel, what: Message | Searching) -> None:
        peer = channel.peer
        node = "" if peer.service or peer.user else peer.node
        if not isinstance(what, Searching):
            self._questions[type(what).__name__.lower()] += 1
        match what:
            case Searching():
                self._handle(what)
            case Publish(number, records):
                verified = tuple(self._verify(signed) for signed in records) if node else ()
                self._handle(Offered(channel, node, number, verified))
            case Renew() | Withdraw():
                self._handle(Asked(channel, node, what))
            case _ if channel.closed:
                pass  # it has gone before its turn, and nobody wants to know any more
            case Lookup() | List():
                self._handle(Asked(channel, node, what))
            case Watch():
                self._handle(Watched(channel, peer.node, what))

    def _verify(self, signed: Signed) -> Verified | str:
        """The record, or why it cannot be believed."""
        try:
            return Verified(self._verifier.verify(signed, self._clock()), signed)
        except TrustError as error:
            return refusal("untrusted", str(error))
        except ProtocolError as error:
            return refusal("bad-record", str(error))

    # --- the core's driver ----------------------------------------------------------------------

    def _handle(self, event: Event) -> None:
        self._run(self._core.handle(event, self._loop.time(), self._clock()))

    def _tick(self, at: float) -> None:
        # Timers may fire a hair early: never tell the core a time before the one it asked for.
        self._timer_at = None
        self._run(self._core.tick(max(at, self._loop.time())))

    def _run(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Answer(channel, message):
                    assert isinstance(channel, Channel)
                    if isinstance(message, Published):
                        refused = sum(map(bool, message.refused))
                        self._records["refused"] += refused
                        self._records["taken"] += len(message.refused) - refused
                    channel.tell(message)
                case Searching(channel):
                    assert isinstance(channel, Channel)
                    if not channel.closed:
                        self._turns.go_on(channel, STEP, effect)
                case Write():
                    self._writing = self._loop.create_task(self._write(effect))
        if not self._arming:  # once for all that is done in this turn of the loop
            self._arming = True
            self._loop.call_soon(self._arm)

    def _arm(self) -> None:
        """Have the timer run in time; one that runs earlier does no harm, and nearly every renewal
        moves the deadline."""
        self._arming = False
        at = self._core.deadline()
        if self._ended or at is None or (self._timer_at is not None and self._timer_at <= at):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._timer_at = self._loop.call_at(at, self._tick, at), at

    async def _write(self, write: Write) -> None:
        event: Written | NotWritten = Written()
        trouble, lost = "", self._store.lost
        try:
            await self._store.commit(write.puts, write.deletes)
        except Unavailable as error:
            trouble = str(error)
            event = NotWritten(trouble, emptied=self._store.lost != lost)
        if self._store.lost != lost:
            log.error("%s; all that is known is written again", self._store.lost)
        elif trouble and not self._trouble:
            log.warning("the store fails: %s", trouble)
        elif self._trouble and not trouble:
            log.warning("the store works again")
        self._trouble, self._writing = trouble, None
        self._handle(event)  # may begin the next write
