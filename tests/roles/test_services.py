"""Who is called at the shared port: names are taken once, and hand-over is exact."""

from __future__ import annotations

import asyncio
import socket

import pytest

from glasnost.core.wire.header import Answer, Call
from glasnost.core.wire.messages import Offer
from glasnost.errors import Refused
from glasnost.net.port import Incoming
from glasnost.roles.agent import names
from glasnost.roles.agent.services import Service, Services
from tests.roles.agent_lab import answer_of, everything


class Listener:
    """A service's process: what it takes, and whether it is there at all."""

    def __init__(self, offer: Offer, ready: bool = True, there: bool = True) -> None:
        self.taken: list[Incoming] = []
        self.there = there
        self.service = Service(offer, lambda: ready, self._deliver)

    def _deliver(self, incoming: Incoming) -> bool:
        if self.there:
            self.taken.append(incoming)
        return self.there


def registry() -> tuple[Services, list[None]]:
    changes: list[None] = []
    return Services("node7", lambda: changes.append(None)), changes


def called(services: Services, name: str, relayed: bool = False) -> socket.socket:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    services.call(Incoming(Call(to=name), ours, "somebody", relayed))
    return theirs


def test_a_name_is_taken_once_and_free_again_when_its_owner_gives_it_back() -> None:
    services, changes = registry()
    first, second = Listener(Offer(name="web")), Listener(Offer(name="web"))
    services.add(first.service)
    with pytest.raises(Refused, match="already") as caught:
        services.add(second.service)
    assert caught.value.code == "taken"
    services.remove(second.service)  # it does not have the name
    assert len(services) == 1
    services.remove(first.service)
    services.add(second.service)
    assert [one.offer for one in services] == [second.service.offer]
    assert len(changes) == 3


BAD = [
    # name                       offer                                            code
    ("no label", Offer(name="a.b"), "bad-name"),
    ("upper case", Offer(name="Web"), "bad-name"),
    ("empty", Offer(), "bad-name"),
    ("unknown protection", Offer(name="web", protection="none"), "bad-offer"),
    ("unknown relay", Offer(name="web", relay="maybe"), "bad-offer"),
    ("a long label", Offer(name="web", labels={"role": "x" * 65}), "bad-offer"),
    ("many labels", Offer(name="web", labels={str(n): "" for n in range(17)}), "bad-offer"),
]


@pytest.mark.parametrize(("offer", "code"), [case[1:] for case in BAD], ids=[c[0] for c in BAD])
def test_an_offer_that_no_directory_would_take_is_refused(offer: Offer, code: str) -> None:
    services, changes = registry()
    with pytest.raises(Refused) as caught:
        services.add(Listener(offer).service)
    assert caught.value.code == code and not changes


def test_a_host_has_a_limit_of_services(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "MAX_NAMES", 1)
    services, _ = registry()
    services.add(Listener(Offer(name="one")).service)
    with pytest.raises(Refused) as caught:
        services.add(Listener(Offer(name="two")).service)
    assert caught.value.code == "quota"


@pytest.mark.parametrize("protection", ["sealed", "plain"])
def test_only_a_plain_caller_is_told_and_once(protection: str) -> None:
    async def play() -> None:
        services, _ = registry()
        listener = Listener(Offer(name="web", protection=protection))
        services.add(listener.service)
        caller = called(services, "web")
        [incoming] = listener.taken
        incoming.sock.sendall(b"and then the service")
        incoming.sock.close()
        said = await everything(caller)
        assert said.endswith(b"and then the service")
        accept = said.removesuffix(b"and then the service")
        assert accept == b"" if protection == "sealed" else answer_of(accept) == Answer()
        assert listener.service.calls == 1

    asyncio.run(play())


REFUSALS = [
    # name                     offer                                        ready  relayed  code
    ("another name", Offer(name="other"), True, False, "no-service"),
    ("a full queue", Offer(name="web"), False, False, "busy"),
    ("a full queue, plain", Offer(name="web", protection="plain"), False, False, "busy"),
    ("relayed", Offer(name="web", relay="no"), True, True, "no-relay"),
    ("relayed, plain", Offer(name="web", protection="plain"), True, True, "no-relay"),
]


@pytest.mark.parametrize(
    ("offer", "ready", "relayed", "code"), [c[1:] for c in REFUSALS], ids=[c[0] for c in REFUSALS]
)
def test_a_caller_who_cannot_be_served_is_told_why(
    offer: Offer, ready: bool, relayed: bool, code: str
) -> None:
    async def play() -> None:
        services, _ = registry()
        listener = Listener(offer, ready)
        services.add(listener.service)
        said = answer_of(await everything(called(services, "web", relayed)))
        assert said.code == code and said.why
        assert not listener.taken and not listener.service.calls

    asyncio.run(play())


def test_a_service_that_has_just_gone() -> None:
    """Sealed: its caller is told. Plain: it was accepted, so every further byte would be the
    service's own: the connection just ends."""

    async def play() -> None:
        for protection in ("sealed", "plain"):
            services, _ = registry()
            services.add(Listener(Offer(name="web", protection=protection), there=False).service)
            said = answer_of(await everything(called(services, "web")))
            assert said.code == ("gone" if protection == "sealed" else "")

    asyncio.run(play())


def test_a_caller_who_has_gone_is_not_delivered() -> None:
    async def play() -> None:
        services, _ = registry()
        listener = Listener(Offer(name="web", protection="plain"))
        services.add(listener.service)
        ours, theirs = socket.socketpair()
        theirs.close()
        services.call(Incoming(Call(to="web"), ours))
        assert ours.fileno() < 0 and not listener.taken

    asyncio.run(play())


def test_after_a_restart_callers_wait_for_their_service_to_return() -> None:
    """Those whose service does not return in time, and who comes later, are refused as ever."""

    async def scenario() -> None:
        services, _ = registry()
        services.hold(1000)
        first, second = called(services, "web"), called(services, "web")
        nobody = called(services, "nobody")
        web = Listener(Offer(name="web"))
        services.add(web.service)
        assert web.taken == []  # its process hears first that it has the name
        await asyncio.sleep(0)
        assert len(web.taken) == services.handed_over == 2
        services.close()
        later = called(services, "later")
        for sock in (nobody, later):
            assert answer_of(await everything(sock)).code == "no-service"
        for sock in (first, second, *(one.sock for one in web.taken)):
            sock.close()

    asyncio.run(scenario())
