"""Transfers that are checked: what is whole, what was cut, and what only looks like an end."""

from __future__ import annotations

import asyncio
import socket
from asyncio import StreamReader as Reader
from asyncio import StreamWriter as Writer
from collections.abc import Awaitable, Callable

import pytest

from glasnost.net.sockets import resets_on_close
from glasnost.net.streams import streams
from glasnost.testing.transfer import Truncated, WrongBytes, answer, go_round
from tests.net.pairs import tcp_pair

SIZE = 100_000


def play(
    service: Callable[[Reader, Writer], Awaitable[None]],
    client: Callable[[Reader, Writer], Awaitable[None]],
) -> None:
    """Both ends of one connection, until both are done."""

    async def run() -> None:
        one, two = tcp_pair()
        serving = asyncio.ensure_future(end(one, service))
        try:
            await end(two, client)
        finally:
            await asyncio.gather(serving, return_exceptions=True)
        await serving

    async def end(
        sock: socket.socket, program: Callable[[Reader, Writer], Awaitable[None]]
    ) -> None:
        reader, writer = await streams(sock)
        try:
            await program(reader, writer)
        finally:
            writer.close()

    asyncio.run(run())


@pytest.mark.parametrize("size", [0, 1, SIZE, 3_000_000])
def test_rounds_and_a_half_close(size: int) -> None:
    async def client(reader: Reader, writer: Writer) -> None:
        for _ in range(2):
            await go_round(reader, writer, size)
        await go_round(reader, writer, size, until_end=True)
        assert reader.at_eof()

    play(answer, client)


def test_an_end_in_the_middle_is_no_end() -> None:
    async def ends_early(reader: Reader, writer: Writer) -> None:
        await reader.readexactly(8 + SIZE)
        writer.write(bytes(40))

    async def client(reader: Reader, writer: Writer) -> None:
        with pytest.raises((Truncated, WrongBytes)):
            await go_round(reader, writer, SIZE)

    play(ends_early, client)


def test_a_callers_early_end_is_none_either() -> None:
    async def client(reader: Reader, writer: Writer) -> None:
        writer.write((SIZE).to_bytes(8, "big") + b"not all")

    with pytest.raises(Truncated, match="after 7 of 100000 bytes"):
        play(answer, client)


def test_bytes_that_were_changed_are_noticed() -> None:
    async def changes(reader: Reader, writer: Writer) -> None:
        await reader.readexactly(8 + SIZE)
        writer.write(bytes(32 + SIZE + 32))

    async def client(reader: Reader, writer: Writer) -> None:
        with pytest.raises(WrongBytes):
            await go_round(reader, writer, SIZE)

    play(changes, client)


def test_a_cut_is_named_by_the_stream() -> None:
    async def cuts(reader: Reader, writer: Writer) -> None:
        await reader.readexactly(8 + SIZE)
        resets_on_close(writer.get_extra_info("socket"))
        writer.transport.abort()

    async def client(reader: Reader, writer: Writer) -> None:
        with pytest.raises(ConnectionResetError):
            await go_round(reader, writer, SIZE)
        with pytest.raises(ConnectionResetError):
            await go_round(reader, writer, SIZE)

    play(cuts, client)
