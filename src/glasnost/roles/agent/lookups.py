"""What names mean: asks every directory, believes only signatures, and never goes back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

import msgspec

from glasnost.core.protocols.record_rules import from_the_future
from glasnost.core.wire.messages import (
    Changes,
    List,
    Listing,
    Record,
    Signed,
    Watch,
    decode_record,
)
from glasnost.errors import GlasnostError, ProtocolError, TrustError, Unavailable, UnknownName
from glasnost.roles.directory_client import DirectoryClient
from glasnost.trust.records import Verifier

#: Names whose last record is remembered: what one host's programs use, at 2 kB each.
MAX_SEEN = 4096

#: Pages in a row with nothing in them that holds, before a directory is left: it may have expired
#: records of some thousands of names, and would otherwise lead us on for ever.
MAX_BARREN = 100

_Listed = list[tuple[Signed, float]]


@dataclass(frozen=True, slots=True)
class Answer:
    """A verified record, how it is signed, and how many seconds ago its owner said so."""

    record: Record
    signed: Signed
    age: float


class Lookups:
    """The client side of all directories of one agent: of those that there are when it asks."""

    def __init__(
        self,
        directories: Iterable[DirectoryClient],
        verifier: Verifier,
        clock: Callable[[], float],
    ) -> None:
        self._directories = directories
        self._verifier = verifier
        self._clock = clock
        self._seen: dict[str, tuple[Answer, float]] = {}

    async def lookup(self, name: str) -> Answer:
        """The first good answer of any directory.

        Raises `UnknownName` when one of them knows no such name and none knows better. While none
        can be asked, what was seen last is still good until it expires; else `Unavailable`.
        """
        asking = [asyncio.ensure_future(self._ask(one, name)) for one in self._directories]
        unknown: UnknownName | None = None
        problems: list[str] = []
        try:
            for coming in asyncio.as_completed(asking):
                try:
                    return await coming
                except UnknownName as error:
                    unknown = error
                except GlasnostError as error:
                    problems.append(str(error))
        finally:
            for one in asking:
                one.cancel()
                one.add_done_callback(_forget)
        if unknown is not None:
            raise unknown
        return self._remembered(name, problems)

    async def page(self, question: List) -> Listing:
        """One page of a listing, of the first directory that answers, verified."""
        problems: list[str] = []
        for directory in self._directories:
            try:
                return await self._page_of(directory, question)
            except GlasnostError as error:
                problems.append(str(error))
        raise _away(problems)

    async def _page_of(self, directory: DirectoryClient, question: List) -> Listing:
        """Its next page that has anything good in it, or the last one."""
        for _ in range(MAX_BARREN):
            page = await directory.ask(question, Listing)
            listed = list(zip(page.records, page.ages, strict=False))[: question.limit]
            more = page.more or len(listed) < len(page.records)
            good = [(one, age) for one, age in listed if self._verified(one) is not None]
            if good or not more:
                records = tuple(signed for signed, _ in good)
                return Listing(records=records, ages=tuple(age for _, age in good), more=more)
            last = decode_record(listed[-1][0].payload).name if listed else ""
            if last <= question.after:  # it would go round for ever
                raise Unavailable("a directory's listing does not get on")
            question = msgspec.structs.replace(question, after=last)
        raise Unavailable(f"{MAX_BARREN} pages of a directory's listing have nothing that holds")

    async def all(self, glob: str) -> list[Answer]:
        """Every verified record whose full name matches."""
        return await self._all(lambda directory: directory.list_all(glob))

    async def query(self, question: List) -> list[Answer]:
        """Every verified record that a `Query` asks for."""
        return await self._all(lambda directory: directory.query(question))

    async def changes(self, question: Watch) -> Changes:
        """What has changed at the first directory, verified."""
        for directory in self._directories:
            changes = await directory.watch(question)
            listed = zip(changes.records, changes.ages, strict=False)
            good = [(one, age) for one, age in listed if self._verified(one) is not None]
            return msgspec.structs.replace(
                changes, records=tuple(one for one, _ in good), ages=tuple(age for _, age in good)
            )
        raise _away([])

    def at(self, directory: DirectoryClient) -> Lookups:
        """The same at one directory only."""
        return Lookups([directory], self._verifier, self._clock)

    async def _all(self, ask: Callable[[DirectoryClient], Awaitable[_Listed]]) -> list[Answer]:
        """What the first directory that answers says, verified."""
        problems: list[str] = []
        for directory in self._directories:
            try:
                found = await ask(directory)
            except GlasnostError as error:
                problems.append(str(error))
                continue
            return [
                Answer(record, signed, age)
                for signed, age in found
                if (record := self._verified(signed)) is not None
            ]
        raise _away(problems)

    async def _ask(self, directory: DirectoryClient, name: str) -> Answer:
        found = await directory.lookup(name)
        assert found.record is not None, "the client has checked that"
        now = self._clock()
        record = self._verifier.verify(found.record, now)
        if record.name != name:
            raise TrustError(f"the directory answers {name} with {record.name}")
        seen = self._seen.get(name)
        if seen is not None and record.sequence < seen[0].record.sequence and _binds(seen[0], now):
            raise TrustError(f"the directory's record of {name} is older than one seen before")
        answer = Answer(record, found.record, found.age)
        self._seen.pop(name, None)
        while len(self._seen) >= MAX_SEEN:
            del self._seen[next(iter(self._seen))]
        self._seen[name] = (answer, asyncio.get_running_loop().time())
        return answer

    def _verified(self, signed: Signed) -> Record | None:
        try:
            return self._verifier.verify(signed, self._clock())
        except (TrustError, ProtocolError):
            return None

    def _remembered(self, name: str, problems: list[str]) -> Answer:
        seen = self._seen.get(name)
        if seen is None or self._verified(seen[0].signed) is None:
            raise _away(problems)
        answer, at = seen
        since = asyncio.get_running_loop().time() - at
        return Answer(answer.record, answer.signed, answer.age + since)


def _binds(seen: Answer, now: float) -> bool:
    """Whether what was seen is not to be gone back from. What has expired binds nobody, nor what
    was signed by a clock that was ahead."""
    record = seen.record
    return record.not_after >= now and not from_the_future(record.sequence, now)


def _forget(asking: asyncio.Future[Answer]) -> None:
    """Whoever loses may fail, and nobody asks it why: that is no bug to be complained of."""
    if not asking.cancelled():
        asking.exception()


def _away(problems: list[str]) -> Unavailable:
    if not problems:
        return Unavailable("this host was told of no directory")
    return Unavailable(f"no directory answers: {'; '.join(dict.fromkeys(problems))}")
