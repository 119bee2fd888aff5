"""The directories of an agent's pool, which a renewed certificate may come with others of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from glasnost.core.wire import messages as m
from glasnost.net.channel import Channel
from glasnost.roles.agent.dialling import Dialling
from glasnost.roles.directory_client import DirectoryClient

_CODEC = m.Codec(m.DIRECTORY)


class Directories:
    """One client for each, by full name; iterating gives the clients there are now."""

    def __init__(self, dialling: Dialling) -> None:
        self._dialling = dialling
        self._clients: dict[m.Directory, DirectoryClient] = {}

    def __repr__(self) -> str:
        return f"<Directories {', '.join(self.by_name()) or 'none'}>"

    def __iter__(self) -> Iterator[DirectoryClient]:
        return iter(list(self._clients.values()))

    def by_name(self) -> dict[str, DirectoryClient]:
        return {told.name: client for told, client in self._clients.items()}

    def follow(self, told: Iterable[m.Directory]) -> list[DirectoryClient]:
        """Have exactly these; the clients of others, to be closed when nothing needs them."""
        before, self._clients = self._clients, {}
        for one in told:
            self._clients[one] = before.pop(one) if one in before else self._client(one)
        return list(before.values())

    def close(self) -> None:
        for client in self:
            client.close()

    def _client(self, told: m.Directory) -> DirectoryClient:
        async def open_it() -> Channel:
            address = self._dialling.address_of("directory", told.address)
            return (await self._dialling.control(told.name, address, _CODEC)).result

        return DirectoryClient(open_it)
