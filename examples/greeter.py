"""A service and its client, by name. Needs `glasnost up`, or a host that has joined a pool."""

import asyncio

import glasnost


async def main() -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello, " + str(writer.get_extra_info("identity")).encode() + b"\n")
        writer.close()

    async with await glasnost.start_server(handle, "greeter") as server:
        reader, writer = await glasnost.open_connection(server.name)
        print((await reader.readline()).decode(), end="")
        writer.close()


asyncio.run(main())
