"""Asking a directory: one channel, opened when it is needed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final, TypeVar

import msgspec

from glasnost.core.protocols.record_rules import MAX_PAGE, MAX_RECORDS
from glasnost.core.wire.messages import (
    Changes,
    Done,
    Found,
    List,
    Listing,
    Lookup,
    Message,
    Publish,
    Published,
    Renew,
    Renewed,
    Signed,
    Watch,
    Withdraw,
    decode_record,
)
from glasnost.errors import GlasnostError, ProtocolError, Refused, Unavailable
from glasnost.net.channel import Channel

#: Seconds for opening a channel, and for each answer: a round trip, a handshake and a sync of a
#: disk, with one or two packets lost on the way.
TIMEOUT: Final = 5.0

#: Bytes of one listing: so many records as a directory may have, at twice the size of usual ones.
MAX_LISTED: Final = MAX_RECORDS * 3_000

_M = TypeVar("_M", bound=Message)


class DirectoryClient:
    """One directory, asked through one channel that ``open`` opens when it is needed.

    Every question raises `Refused` when the directory says no, and `Unavailable` when it cannot
    be asked or gives no sensible answer. What it answers about records is not verified here.
    """

    def __init__(self, open: Callable[[], Awaitable[Channel]], *, timeout: float = TIMEOUT) -> None:
        self._open = open
        self._timeout = timeout
        self._channel: Channel | None = None
        self._opening: asyncio.Task[Channel] | None = None

    def __repr__(self) -> str:
        return f"<DirectoryClient {self._channel or 'not connected'}>"

    async def publish(self, records: Sequence[Signed]) -> Published:
        """Publish all of these. ``refused`` has one ``code: sentence`` for each, empty where the
        directory took it, and keeps it for ``lease`` seconds."""
        refused: list[str] = []
        lease = 0.0
        for start in range(0, len(records), MAX_PAGE):
            batch = tuple(records[start : start + MAX_PAGE])
            answer = await self.ask(Publish(records=batch), Published)
            refused += answer.refused[: len(batch)]
            lease = answer.lease
        return Published(lease=lease, refused=tuple(refused))

    async def renew(self, names: Iterable[str]) -> Renewed:
        """Renew these, by full name. ``unknown`` ones must be published again."""
        return await self.ask(Renew(names=tuple(names)), Renewed)

    async def withdraw(self, names: Iterable[str]) -> None:
        """Have these forgotten, known there or not."""
        await self.ask(Withdraw(names=tuple(names)), Done)

    async def lookup(self, name: str) -> Found:
        """The record of a full name. Raises `UnknownName`, too."""
        found = await self.ask(Lookup(name=name), Found)
        if found.record is None:
            raise Unavailable("the directory found a record and did not send it")
        return found

    async def list_all(self, glob: str = "*") -> list[tuple[Signed, float]]:
        """All records whose full names match, in the order of names, each with its age."""
        return await self.query(List(glob=glob))

    async def query(self, question: List) -> list[tuple[Signed, float]]:
        """The same for what a `Query` asks for; its ``limit`` does not count."""
        found: list[tuple[Signed, float]] = []
        after, size = "", 0
        while True:
            asked = msgspec.structs.replace(question, after=after, limit=MAX_PAGE)
            page = await self.ask(asked, Listing)
            size += sum(map(_size, page.records))
            if size > MAX_LISTED:
                raise Unavailable(f"the directory's listing has more than {MAX_LISTED} bytes")
            found += zip(page.records, page.ages, strict=False)
            if not page.more:
                return found
            last = _name(page.records[-1]) if page.records else ""
            if last <= after or len(found) > MAX_RECORDS:  # it would go on for ever
                raise Unavailable("the directory's listing does not get on")
            after = last

    async def watch(self, question: Watch) -> Changes:
        """What has changed, as soon as something has, or after ``hold`` seconds at most."""
        return await self.ask(question, Changes, max(0.0, question.hold))

    async def ask(self, message: Message, expected: type[_M], held: float = 0.0) -> _M:
        """Ask one question, whose answer may be ``held`` for so long. Every question may be asked
        twice without harm, so one that met a channel which had died unnoticed is asked again on a
        fresh one."""
        while True:
            kept = self._channel is not None and not self._channel.closed
            channel = await self._connect()
            try:
                answer = await channel.ask(message, self._timeout + held)
            except Refused:
                raise
            except TimeoutError:
                self._drop(channel)
                waited = self._timeout + held
                raise Unavailable(f"no answer within {waited:g} s") from None
            except (GlasnostError, OSError) as error:
                self._drop(channel)
                if not kept:
                    raise Unavailable(f"the connection was lost: {error}") from error
                continue
            if not isinstance(answer, expected):
                raise Unavailable(f"the answer is a {type(answer).__name__}")
            return answer

    def check(self) -> None:
        """Look at once whether the directory at the channel's other end is still there."""
        if self._channel is not None:
            self._channel.check()

    def close(self) -> None:
        """Let go of the channel; a later question would open another."""
        if self._opening is not None:
            self._opening.cancel()
        if self._channel is not None:
            self._drop(self._channel)

    def _drop(self, channel: Channel) -> None:
        if self._channel is channel:
            self._channel = None
        channel.close()

    async def _connect(self) -> Channel:
        """The channel there is, or a new one; all who wait for it wait for the same."""
        if self._channel is not None and not self._channel.closed:
            return self._channel
        if self._opening is None:
            self._opening = asyncio.create_task(self._open_channel())
            self._opening.add_done_callback(self._opened)
        opening = self._opening
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            if opening.cancelled():  # by close(), and not we
                raise Unavailable("the client was closed") from None
            raise

    async def _open_channel(self) -> Channel:
        try:
            async with asyncio.timeout(self._timeout):
                return await self._open()
        except TimeoutError:
            raise Unavailable(f"no connection within {self._timeout:g} s") from None
        except (Refused, Unavailable):
            raise
        except (GlasnostError, OSError) as error:
            raise Unavailable(f"cannot connect: {error}") from error

    def _opened(self, opening: asyncio.Task[Channel]) -> None:
        self._opening = None
        # Asking for the error tells asyncio that it is known, though nobody may wait any more.
        if not opening.cancelled() and opening.exception() is None:
            self._channel = opening.result()


def _size(signed: Signed) -> int:
    return len(signed.payload) + len(signed.signature) + len(signed.certificate)


def _name(signed: Signed) -> str:
    try:
        return decode_record(signed.payload).name
    except ProtocolError as error:
        raise Unavailable(f"the directory's listing has an unreadable record: {error}") from None
