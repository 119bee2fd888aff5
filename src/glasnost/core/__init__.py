"""What decides: pure functions and values, without sockets, asyncio, clock or randomness."""
