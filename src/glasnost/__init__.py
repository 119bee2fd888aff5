"""Connects programs by name across NAT, firewalls, private networks and the IPv4/IPv6 divide.

    reader, writer = await glasnost.open_connection("jupyter.node7")
    server = await glasnost.start_server(handle, "echo")
    sock = glasnost.create_connection("postgres.node7", timeout=5)
    plan = await glasnost.explain("jupyter.node7")
    async for news in glasnost.watch("role=startd"): ...

Those calls are shaped like asyncio's and socket's own; `Node` is what they are made of. What is
imported is imported when it is first used, so that small commands start fast.
"""

from __future__ import annotations

from glasnost.version import __version__

TYPE_CHECKING = False  # what typing says, without its import
if TYPE_CHECKING:
    from typing import Any

    from glasnost.calls import create_connection, explain, open_connection, start_server, watch
    from glasnost.node import Node

__all__ = [
    "Node",
    "__version__",
    "create_connection",
    "explain",
    "open_connection",
    "start_server",
    "watch",
]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from glasnost import calls

        return getattr(calls, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
