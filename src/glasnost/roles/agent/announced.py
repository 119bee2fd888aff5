"""Records of this node's that lead elsewhere: to somebody who knows nothing of us."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

import msgspec

from glasnost.core.address import Address
from glasnost.core.protocols.record_rules import MAX_PAYLOAD, problem, refusal
from glasnost.core.wire.messages import RELAYS, Entry, Record, Signed, encode_record
from glasnost.errors import Refused, Unavailable
from glasnost.roles.agent.services import Services
from glasnost.roles.finish import accepts

#: What signing fills in later, at its largest.
_LAST: Final = 2**63


class Announcements:
    """Who has announced what, beside the services of the node; ``full`` makes a name whole."""

    def __init__(self, services: Services, full: Callable[[str], str]) -> None:
        self._names, self._changed = services.names, services.changed
        self._full = full
        self._kept: dict[str, tuple[object, Record]] = {}

    def __iter__(self) -> Iterator[Record]:
        return (record for _, record in self._kept.values())

    def __len__(self) -> int:
        return len(self._kept)

    def put(self, owner: object, entry: Entry) -> None:
        """Announce, or replace what this owner has announced under the name. Raises `Refused`:
        as for services, or what a directory would say."""
        record = self._record(entry)
        if (kept := self._kept.get(entry.name)) is None:
            self._names.take(entry.name)
        elif kept[0] is not owner:
            raise self._names.taken(entry.name)
        elif kept[1] == record:
            return
        self._kept[entry.name] = owner, record
        self._changed()

    def put_or_say(self, owner: object, entry: Entry) -> str:
        """The same; nothing, or why not."""
        try:
            self.put(owner, entry)
        except Refused as error:
            return refusal(error.code, error.why)
        except Unavailable as error:
            return refusal("bad-address", str(error))
        return ""

    def remove(self, owner: object, names: Iterable[str]) -> None:
        """Withdraw those of these names that are this owner's."""
        gone = [name for name in names if self._kept.get(name, (None,))[0] is owner]
        for name in gone:
            del self._kept[name]
            self._names.free(name)
        if gone:
            self._changed()

    def remove_all(self, owner: object) -> None:
        """An owner has gone."""
        self.remove(owner, tuple(self._kept))

    def of(self, owner: object) -> int:
        """How many are this owner's."""
        return sum(one is owner for one, _ in self._kept.values())

    def _record(self, entry: Entry) -> Record:
        if entry.relay not in RELAYS:
            raise Refused("bad-offer", f"no such relay: {entry.relay[:20]!r}")
        record = Record(
            name=self._full(entry.name),
            address=entry.address,
            reach=entry.reach,
            labels=entry.labels,
            protection="plain",
            relay=entry.relay,
        )
        whole = msgspec.structs.replace(record, sequence=_LAST, not_after=_LAST)
        if why := problem(whole, Signed(encode_record(whole)[: MAX_PAYLOAD + 1], b"", b"")):
            code, _, text = why.partition(": ")
            raise Refused(code, text)
        accepts(Address.parse(entry.address))  # in one way, or it is refused
        return record
