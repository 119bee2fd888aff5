"""A small HTTP server for what is read only: some pages, made when they are asked for.

It trusts nobody: one request per connection, with limits on its size, its time, and on how many
there are at once. Whatever a request says besides its method and its path is not looked at.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import h11

from glasnost.net.sockets import listen_local, tune

log = logging.getLogger("glasnost.http")

#: Connections at once: a scraper or two, and somebody who looks. More have to wait their turn.
MAX_CONNECTIONS: Final = 16
#: Bytes of a request line with its headers.
MAX_HEAD: Final = 8 * 1024
#: Seconds for a request to come and its answer to be taken.
TIMEOUT: Final = 5.0
#: How long the listener rests when the process has no descriptors left, seconds.
_REST: Final = 0.1


@dataclass(frozen=True, slots=True)
class Page:
    """An answer: its body, what that is, and its status."""

    body: bytes
    kind: str = "text/plain; charset=utf-8"
    status: int = 200


class HttpServer:
    """Serves ``pages`` by their path. ``timeout`` is in seconds, for one connection."""

    def __init__(self, pages: Mapping[str, Callable[[], Page]], *, timeout: float = TIMEOUT):
        self._pages, self._timeout = pages, timeout
        self._loop = asyncio.get_running_loop()
        self._listener: socket.socket | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    def __repr__(self) -> str:
        return f"<HttpServer {', '.join(self._pages)} on port {self.port}>"

    def listen(self, host: str, port: int) -> None:
        """Begin to serve. Raises `SettingsError` where that cannot be listened on."""
        self._listener = listen_local(host, port)
        self.port = self._listener.getsockname()[1]
        self._resume()

    async def close(self) -> None:
        """Listen no more, and end what is under way."""
        if self._listener is not None:
            self._pause()
            self._listener.close()
            self._listener = None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # --- connections ----------------------------------------------------------------------------

    def _pause(self) -> None:
        assert self._listener is not None
        self._loop.remove_reader(self._listener.fileno())

    def _resume(self) -> None:
        if self._listener is not None and len(self._tasks) < MAX_CONNECTIONS:
            self._loop.add_reader(self._listener.fileno(), self._accept)

    def _accept(self) -> None:
        assert self._listener is not None
        try:
            sock, _ = self._listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError as error:
            log.error("cannot accept: %s; resting", error.strerror)
            self._pause()
            self._loop.call_later(_REST, self._resume)
            return
        task = self._loop.create_task(self._serve(tune(sock)))
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._served(done, sock))
        if len(self._tasks) >= MAX_CONNECTIONS:
            self._pause()

    def _served(self, task: asyncio.Task[None], sock: socket.socket) -> None:
        sock.close()
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a page could not be made", exc_info=error)
        self._resume()

    async def _serve(self, sock: socket.socket) -> None:
        talk = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD)
        try:
            async with asyncio.timeout(self._timeout):
                request = await self._request(sock, talk)
                page = request if isinstance(request, Page) else self._page(request)
                bodiless = isinstance(request, h11.Request) and request.method == b"HEAD"
                await self._loop.sock_sendall(sock, _written(talk, page, bodiless))
                sock.shutdown(socket.SHUT_WR)
                while await self._loop.sock_recv(sock, 4096):
                    pass  # or what is unread would reset the connection, and our answer with it
        except (OSError, EOFError):  # TimeoutError is an OSError: it went, or took its time
            return

    async def _request(self, sock: socket.socket, talk: h11.Connection) -> h11.Request | Page:
        """What is asked; a body is not read. What is no request has its answer already."""
        while True:
            try:
                event = talk.next_event()
            except h11.RemoteProtocolError as error:
                return Page(b"this is no request\n", status=error.error_status_hint)
            if isinstance(event, h11.Request):
                return event
            if event is not h11.NEED_DATA:
                raise EOFError
            talk.receive_data(await self._loop.sock_recv(sock, 4096))

    def _page(self, request: h11.Request) -> Page:
        if request.method not in (b"GET", b"HEAD"):
            return Page(b"only GET and HEAD are answered\n", status=405)
        path = request.target.partition(b"?")[0].decode("ascii", "replace")
        if path not in self._pages:
            return Page(f"there are {' and '.join(self._pages)}\n".encode(), status=404)
        return self._pages[path]()


def _written(talk: h11.Connection, page: Page, bodiless: bool) -> bytes:
    headers = [
        ("Content-Type", page.kind),
        ("Content-Length", str(len(page.body))),
        ("Connection", "close"),
    ]
    said = talk.send(h11.Response(status_code=page.status, headers=headers)) or b""
    return said if bodiless else said + page.body
