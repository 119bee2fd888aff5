"""What every stage kind promises, to be run on one's own: for authors of plugins, and on ours.

A test of a forward kind says in a `Talk` what is said while it is crossed, and calls `check_kind`;
one of an origin kind calls `check_origin`, and one of a prelude `check_prelude`. What is promised:

- its traits are such as planning can use;
- a stage that means nothing is refused in one sentence, before anything is sent (`check_refuses`);
- whoever is given a connection owns it: it is given back, or closed, however crossing ends;
- the stream begins right behind the last answer: nothing of it is read, however answers arrive;
- a far side that closes in the middle is an `OSError` or a `GlasnostError`;
- who waits may go at any time: a cancelled crossing ends at once. That is what bounds its time, as
  it need not look at a clock.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final

from glasnost.core.address import Landing, Route, Stage
from glasnost.core.routes import Crossing, Exit, Path
from glasnost.errors import AddressError, GlasnostError
from glasnost.settings import Settings
from glasnost.stages.base import Kind, Means, Step
from glasnost.stages.outside import why_no_kind

#: What the far side says first, right behind its last answer: it is the stream's.
TAIL: Final = b"SSH-2.0-first"

#: Turns of the loop in which a cancelled crossing has to end: it closes what it has, no more.
_TURNS: Final = 20
#: Turns that the longest crossing may take: far more than bytes are said in any talk.
_LONGEST: Final = 10_000
#: Turns after each of which the opening of a connection is cancelled.
_EARLY: Final = 20


@dataclass(frozen=True)
class Talk:
    """What is said while the second stage of ``route`` is crossed, and, if it is a proxy, the
    third opened by it: what we have to say, each with the far side's answer to it."""

    name: str
    route: str
    lines: tuple[tuple[bytes, bytes], ...]
    means: Means = field(default_factory=Means)


def check_kind(kind: Kind, *talks: Talk) -> None:
    """All that holds for a forward kind, in each of these talks."""
    check_traits(kind)
    for talk in talks:
        for promise in PROMISES:
            promise(kind, talk)


def check_traits(kind: Kind) -> None:
    """Planning and walking can use it."""
    assert why_no_kind(kind) is None, why_no_kind(kind)


def check_refuses(kind: Kind, stage: str, settings: Settings | None = None) -> None:
    """Nothing is sent on account of this stage; who reads of it is told why, in one line."""
    why = _refusal(kind, stage, settings)
    assert why is not None, f"{stage} is not refused"
    assert why and "\n" not in why, f"{stage} is refused with {why!r}, which is no sentence"


def _refusal(kind: Kind, text: str, settings: Settings | None) -> str | None:
    try:
        stage = Stage.parse(text)
    except AddressError as error:
        return str(error)
    why = kind.traits.check(stage) if kind.traits.check else None
    if why is None and kind.check is not None and settings is not None:
        why = kind.check(stage, settings)
    return why


def check_exact(kind: Kind, talk: Talk) -> None:
    """The stream begins right behind the last answer, in one piece or byte by byte."""
    *before, (said, answer) = talk.lines
    longer = replace(talk, lines=(*before, (said, answer + TAIL)))

    async def scenario(drip: bool) -> None:
        with await converse(kind, longer, drip=drip) as sock:
            assert sock.gettimeout() == 0, "a connection is handed on as event loops use it"
            heard = await receive(sock, len(TAIL))
            assert heard == TAIL, f"of the stream's {TAIL!r}, {heard!r} was left"

    for drip in (False, True):
        play(lambda drip=drip: scenario(drip))  # type: ignore[misc]


def check_closed(kind: Kind, talk: Talk) -> None:
    """A far side that closes in the middle, after each part of each answer."""

    async def scenario() -> None:
        for count, (said, answer) in enumerate(talk.lines):
            for size in range(len(answer)):
                lines = (*talk.lines[:count], (said, answer[:size]))
                try:
                    sock = await converse(kind, replace(talk, lines=lines))
                except (OSError, GlasnostError):
                    continue
                sock.close()
                raise AssertionError(f"crossed, though the far side said only {lines[-1][1]!r}")

    play(scenario)


def check_cancelled(kind: Kind, talk: Talk) -> None:
    """Cancelled wherever it waits, with the far side's bytes coming singly."""

    async def scenario() -> None:
        for turns in range(1, _LONGEST):
            crossing = asyncio.create_task(converse(kind, talk, drip=True))
            if await _turns(turns, crossing):
                (await crossing).close()
                return
            crossing.cancel()
            ended = await _turns(_TURNS, crossing)
            assert ended, f"it goes on though it was cancelled (after {turns} turns of the loop)"
            if not crossing.cancelled():
                crossing.result().close()  # it came in that moment
        raise AssertionError("it does not end")

    play(scenario)


async def _turns(count: int, task: asyncio.Task[Any]) -> bool:
    """Let the loop turn so often, or until the task is done."""
    for _ in range(count):
        if task.done():
            return True
        await asyncio.sleep(0)
    return task.done()


#: What holds in every talk of a forward kind, to parametrize a test by.
PROMISES: Final[tuple[Callable[[Kind, Talk], None], ...]] = (
    check_exact,
    check_closed,
    check_cancelled,
)


def check_origin(kind: Kind, stage: str, listener: socket.socket, means: Means) -> None:
    """All that holds for an origin kind, whose ``stage`` leads to ``listener``; that is closed."""
    check_traits(kind)
    listener.setblocking(False)

    async def connects() -> None:
        with await _opened(kind, stage, means) as sock:
            theirs, _ = await asyncio.get_running_loop().sock_accept(listener)
            with theirs:
                assert sock.gettimeout() == 0, "a connection is handed on as event loops use it"
                for one, other in ((sock, theirs), (theirs, sock)):
                    await asyncio.get_running_loop().sock_sendall(one, TAIL)
                    assert await receive(other, len(TAIL)) == TAIL

    async def goes() -> None:
        for turns in range(1, _EARLY):
            opening = asyncio.create_task(_opened(kind, stage, means))
            if not await _turns(turns, opening):
                opening.cancel()
                await asyncio.wait([opening])
            if not opening.cancelled():
                opening.result().close()

    async def fails() -> None:
        try:
            sock = await _opened(kind, stage, means)
        except (OSError, GlasnostError):
            return
        sock.close()
        raise AssertionError("it connects to where nobody listens")

    with listener:
        play(connects)
        play(goes)
    play(fails)


async def _opened(kind: Kind, stage: str, means: Means) -> socket.socket:
    on = path(f"public/{stage}", lands=kind.traits.protocols[-1])
    sock = await kind.cross(step_on(on, 0, means), None)
    assert sock is not None, "an origin opens a connection"
    return sock


def check_prelude(kind: Kind, on: Path, means: Means) -> None:
    """All that holds for a prelude, which is the first stage of this path, where it succeeds."""
    check_traits(kind)
    step = step_on(on, on.first, means)

    async def does_and_gives_nothing() -> None:
        assert await kind.cross(step, None) is None, "a prelude gives no connection"

    async def goes() -> None:
        for turns in range(1, _EARLY):
            doing = asyncio.create_task(_done(kind, step))
            if not await _turns(turns, doing):
                doing.cancel()
                ended = await _turns(_TURNS, doing)
                assert ended, f"it goes on though it was cancelled (after {turns} turns)"

    play(does_and_gives_nothing)
    play(goes)


async def _done(kind: Kind, step: Step) -> None:
    await kind.cross(step, None)


# --- playing the far side -------------------------------------------------------------------------


async def converse(
    kind: Kind, talk: Talk, *, drip: bool = False, asked: asyncio.Event | None = None
) -> socket.socket:
    """Cross the stage, and what it opens, while somebody plays the far side. With ``asked``, that
    does not close after the last line, and says when it has been asked it. Whatever happens, the
    socket that was given is given back or closed."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    playing = asyncio.create_task(_play(theirs, talk, drip, asked))
    playing.add_done_callback(lambda _: theirs.close())
    crossed: socket.socket | None = None
    try:
        crossed = await _cross(kind, talk, ours)
        await playing  # it may have more to say, which is the stream's
        return crossed
    except BaseException:
        left_open = crossed is None and ours.fileno() >= 0
        for one in (ours, crossed or ours):
            one.close()
        if playing.done() and not playing.cancelled():
            playing.result()  # what went wrong there went wrong first
        assert not left_open, "what it was given is left open"
        raise
    finally:
        playing.cancel()


async def _cross(kind: Kind, talk: Talk, sock: socket.socket) -> socket.socket:
    on = path(talk.route)
    crossed = await kind.cross(step_on(on, 1, talk.means), sock)
    assert crossed is not None, "a forward stage gives a connection"
    if kind.onward is not None:
        return await kind.onward(step_on(on, 2, talk.means), crossed)
    return crossed


async def _play(sock: socket.socket, talk: Talk, drip: bool, asked: asyncio.Event | None) -> None:
    loop = asyncio.get_running_loop()
    for said, answer in talk.lines:
        heard = await receive(sock, len(said))
        if heard != said:
            sock.shutdown(socket.SHUT_RDWR)  # or who crosses would wait for an answer
            raise AssertionError(f"what is said is {heard!r}, not {said!r}")
        pieces = [bytes([byte]) for byte in answer] if drip else [answer]
        for piece in pieces:
            await loop.sock_sendall(sock, piece)
            if drip:
                await asyncio.sleep(0)
    if asked is None:
        sock.shutdown(socket.SHUT_WR)
    else:
        asked.set()
        await asyncio.Event().wait()


async def receive(sock: socket.socket, size: int) -> bytes:
    """So many bytes, or what came before the end."""
    data = b""
    while len(data) < size:
        if not (more := await asyncio.get_running_loop().sock_recv(sock, size - len(data))):
            break
        data += more
    return data


# --- one stage by itself --------------------------------------------------------------------------


def path(route: str, *crossings: Crossing, via: str = "", lands: str = "") -> Path:
    """The path over a route, by a direct exit or through these stages. ``lands`` is the
    protocol of the first origin, where its kind alone does not say that."""
    parsed = Route.parse(route)
    landing = Landing(lands, parsed.network) if lands else parsed.landing()
    assert landing is not None, "it begins on one landing that is known"
    stages = Route.parse(via).stages if via else ()
    return Path(Exit(landing, stages), 1, parsed, 1, crossings)


def step_on(on: Path, index: int, means: Means, relay: bytes = b"") -> Step:
    """One stage of a path, to be crossed by itself."""
    return Step(on, index, on.stage(index), means, never, relay)


async def never(token: bytes) -> socket.socket:
    """The way to a broker, which only a walk can open."""
    raise AssertionError("nobody reopens this")


def play(scenario: Callable[[], Awaitable[None]]) -> None:
    """Run it; in the end nothing may be open."""

    async def run() -> None:
        await scenario()
        for _ in range(_TURNS):  # transports close their sockets in later turns
            await asyncio.sleep(0)

    with nothing_left_open():
        asyncio.run(run())


@contextlib.contextmanager
def nothing_left_open() -> Iterator[None]:
    """As many sockets are open afterwards as before."""
    before = descriptors()
    yield
    left = descriptors() - before
    assert left == 0, f"{left} sockets are left open"


def descriptors() -> int:
    """How many sockets this process has open. (The event loops open other things when they are
    first needed.)"""
    found = 0
    for fd in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # the directory itself
            found += os.readlink(f"/proc/self/fd/{fd}").startswith("socket:")
    return found
