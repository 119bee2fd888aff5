"""What names mean: asks every directory, believes only signatures, and never goes back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from glasnost.core.wire.messages import List, Listing, Record, Signed
from glasnost.errors import GlasnostError, ProtocolError, TrustError, Unavailable, UnknownName
from glasnost.roles.directory_client import DirectoryClient
from glasnost.trust.records import Verifier

#: Names whose last record is remembered: what one host's programs use, at 2 kB each.
MAX_SEEN = 4096


@dataclass(frozen=True, slots=True)
class Answer:
    """A verified record, how it is signed, and how many seconds ago its owner said so."""

    record: Record
    signed: Signed
    age: float


class Lookups:
    """The client side of all directories of one agent."""

    def __init__(
        self,
        directories: Sequence[DirectoryClient],
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
        if unknown is not None:
            raise unknown
        return self._remembered(name, problems)

    async def page(self, question: List) -> Listing:
        """One page of a listing, of the first directory that answers, verified."""
        problems: list[str] = []
        for directory in self._directories:
            try:
                page = await directory.ask(question, Listing)
            except GlasnostError as error:
                problems.append(str(error))
                continue
            good = [one for one in zip(page.records, page.ages, strict=False) if self._good(one[0])]
            return Listing(
                records=tuple(signed for signed, _ in good),
                ages=tuple(age for _, age in good),
                more=page.more,
            )
        raise _away(problems)

    async def all(self, glob: str) -> list[Answer]:
        """Every verified record whose full name matches."""
        problems: list[str] = []
        for directory in self._directories:
            try:
                found = await directory.list_all(glob)
            except GlasnostError as error:
                problems.append(str(error))
                continue
            now = self._clock()
            return [
                Answer(self._verifier.verify(signed, now), signed, age)
                for signed, age in found
                if self._good(signed)
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
        if seen is not None and record.sequence < seen[0].record.sequence:
            raise TrustError(f"the directory's record of {name} is older than one seen before")
        answer = Answer(record, found.record, found.age)
        self._seen.pop(name, None)
        while len(self._seen) >= MAX_SEEN:
            del self._seen[next(iter(self._seen))]
        self._seen[name] = (answer, now)
        return answer

    def _good(self, signed: Signed) -> bool:
        try:
            self._verifier.verify(signed, self._clock())
        except (TrustError, ProtocolError):
            return False
        return True

    def _remembered(self, name: str, problems: list[str]) -> Answer:
        seen = self._seen.get(name)
        if seen is None or not self._good(seen[0].signed):
            raise _away(problems)
        answer, at = seen
        return Answer(answer.record, answer.signed, answer.age + self._clock() - at)


def _away(problems: list[str]) -> Unavailable:
    if not problems:
        return Unavailable("this host was told of no directory")
    return Unavailable(f"no directory answers: {'; '.join(dict.fromkeys(problems))}")
