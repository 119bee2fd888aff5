"""What stands around the functions of a stage kind that others wrote.

It may hang, raise anything, give something that is no connection, or leave open the one that it was
given: that costs the route at hand, and a sentence. Our own kinds have no guard. What none can stop
is code that blocks the whole process.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final

from glasnost.core.address import Stage
from glasnost.core.text import printable
from glasnost.errors import GlasnostError, Unavailable
from glasnost.net.sentences import sentence
from glasnost.settings import Settings
from glasnost.stages.base import Kind, Step, let_go

#: Characters of what a plugin says that are passed on: a long sentence, and no page.
_MOST: Final = 300

_Result = socket.socket | None
_Deed = Callable[[], Awaitable[object]]


@dataclass(frozen=True)
class Guard:
    """Makes the kinds of one plugin keep their promises, or fail with a sentence."""

    plugin: str

    def around(self, kind: Kind) -> Kind:
        """The same kind, guarded."""
        check, check_with, onward = kind.traits.check, kind.check, kind.onward

        async def cross(step: Step, sock: _Result) -> _Result:
            prelude = kind.traits.role == "prelude"
            step = replace(step, hold=let_go)  # a walk could not guard itself against it
            return await self._cross(lambda: kind.cross(step, sock), step, sock, nothing=prelude)

        async def go_onward(step: Step, sock: socket.socket) -> socket.socket:
            assert onward is not None, "only what has one is put in its place"
            crossed = await self._cross(lambda: onward(step, sock), step, sock)
            assert crossed is not None, "nothing is no connection"
            return crossed

        def checked(stage: Stage) -> str | None:
            return self._check(lambda: check(stage) if check else None)

        def checked_with(stage: Stage, settings: Settings) -> str | None:
            return self._check(lambda: check_with(stage, settings) if check_with else None)

        return Kind(
            replace(kind.traits, check=checked if check else None),
            cross,
            kind.deed,
            go_onward if onward else None,
            checked_with if check_with else None,
        )

    def _check(self, check: Callable[[], object]) -> str | None:
        try:
            why = check()
        except (Exception, SystemExit) as error:
            return self._says(f"its check fails: {told(error)}")
        if why is None or isinstance(why, str):
            return why and in_a_line(why)
        return self._says(f"its check answers with {_a(why)}")

    async def _cross(
        self, deed: _Deed, step: Step, sock: _Result, *, nothing: bool = False
    ) -> _Result:
        """In a task of its own: it need not heed its cancellation for us to go on."""
        timeout = step.means.timeout
        crossing = asyncio.create_task(self._done(deed, nothing))
        try:
            await asyncio.wait({crossing}, timeout=timeout)
        except BaseException:
            _abandon(crossing, sock)
            raise
        if not crossing.done():
            _abandon(crossing, sock)
            raise Unavailable(self._says(f"not crossed within {timeout:g} s"))
        try:
            return crossing.result()
        except BaseException as error:
            _close(sock)
            if crossing.cancelled():
                raise Unavailable(self._says("it cancels itself")) from error
            raise

    async def _done(self, deed: _Deed, nothing: bool) -> _Result:
        """What crossing gives, if that is what it should be: a connection, or ``nothing``."""
        try:
            given = await deed()
        except (OSError, GlasnostError):
            raise  # as our own kinds do
        except (Exception, SystemExit) as error:
            raise Unavailable(self._says(told(error))) from error
        if nothing and given is None:
            return None
        if nothing or not isinstance(given, socket.socket):
            _close(given)
            expected = "nothing" if nothing else "a connection"
            raise Unavailable(self._says(f"gives {_a(given)} where {expected} is expected"))
        if given.fileno() < 0:
            raise Unavailable(self._says("gives a closed connection"))
        given.setblocking(False)  # another one would stop the whole process
        return given

    def _says(self, what: str) -> str:
        return in_a_line(f"plugin {self.plugin}: {what}")


def _abandon(crossing: asyncio.Task[_Result], sock: _Result) -> None:
    """Nobody waits for it any more. The stream ends now; its descriptor is let go when nothing
    can be waiting on it, for the number would be somebody else's at once."""
    crossing.cancel()
    if sock is not None:
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
    crossing.add_done_callback(lambda done: _forget(done, sock))


def _forget(crossing: asyncio.Task[_Result], sock: _Result) -> None:
    _close(sock)
    if not crossing.cancelled() and crossing.exception() is None:
        _close(crossing.result())


def _close(given: object) -> None:
    if isinstance(given, socket.socket):
        given.close()


def _a(given: object) -> str:
    return "nothing" if given is None else f"a value of type {type(given).__name__}"


def told(error: BaseException) -> str:
    """An error that is a programmer's: its kind belongs to it."""
    return f"{type(error).__name__}: {sentence(error)}"


def in_a_line(text: str) -> str:
    return printable(" ".join(text.split()), keep="")[:_MOST]
