"""Records: signed when something changed, kept otherwise, and never with a lower number."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from glasnost.core.address import Address, Route
from glasnost.core.address.limits import MAX_ROUTES, MAX_STAGES
from glasnost.core.wire import messages as m
from glasnost.roles.agent.publication import RECORD_LIFETIME, Records
from glasnost.roles.agent.services import Service
from glasnost.roles.home import NodeIdentity
from glasnost.trust import checks
from glasnost.trust.certificates import issue_node
from glasnost.trust.records import Verifier
from tests.roles.agent_lab import settle
from tests.trust.pool import DAY, lab, node7

DOOR = Route.parse("public/ip4:198.51.100.7:9618")
OTHER = Route.parse("lab/ip4:10.0.0.7:9618")
WEB = "web.node7.lab.glasnost.internal"


class Clock:
    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def identity(tmp_path: Path, clock: Clock) -> NodeIdentity:
    return NodeIdentity(settle(tmp_path), clock)


def service(name: str = "web", **offer: object) -> Service:
    return Service(m.Offer(name=name, **offer), lambda: True, lambda incoming: True)  # type: ignore[arg-type]


def read(signed: m.Signed, now: float) -> m.Record:
    return Verifier(lab().root, lab().domain).verify(signed, now)


def test_a_record_says_everything_and_is_rightly_signed(
    identity: NodeIdentity, clock: Clock
) -> None:
    offer = service(protection="plain", relay="any", labels={"role": "x"})
    made = Records(identity).make([offer], [DOOR, OTHER], ("ip4@public",))
    record = read(made[WEB], clock.now)
    assert record.address == f"{DOOR}/service:web,{OTHER}/service:web"
    assert (record.protection, record.relay, record.labels) == ("plain", "any", {"role": "x"})
    assert record.reach == ("ip4@public",)
    assert record.not_after == int(clock.now + RECORD_LIFETIME)
    assert record.sequence == int(clock.now * 1_000_000)


def test_what_has_not_changed_keeps_its_signature(identity: NodeIdentity, clock: Clock) -> None:
    records = Records(identity)
    web, ssh = service(), service("ssh")
    first = records.make([web, ssh], [DOOR], ())
    clock.now += 60
    assert records.make([web, ssh], [DOOR], ()) == first
    again = records.make([web, ssh], [DOOR, OTHER], ())
    assert not set(again.values()) & set(first.values())
    clock.now += 60
    assert records.make([web], [DOOR, OTHER], ()) == {WEB: again[WEB]}


def test_numbers_grow_also_when_the_clock_goes_back(identity: NodeIdentity, clock: Clock) -> None:
    records = Records(identity)
    numbers = []
    clock.now += DAY  # the certificate is valid all the while
    for doors, leap in (([DOOR], 0.0), ([OTHER], 0.0), ([DOOR], -5 * 3600.0), ([OTHER], 10.0)):
        clock.now += leap
        made = records.make([service()], doors, ())
        numbers.append(read(made[WEB], clock.now).sequence)
    assert numbers == sorted(set(numbers))


def test_it_is_signed_again_for_its_age_and_after_a_clock_was_set_back(
    identity: NodeIdentity, clock: Clock
) -> None:
    records = Records(identity)
    first = records.make([service()], [DOOR], ())[WEB]
    clock.now += RECORD_LIFETIME / 2 - 10
    assert records.make([service()], [DOOR], ())[WEB] == first
    clock.now += 20
    second = records.make([service()], [DOOR], ())[WEB]
    assert second != first
    clock.now -= 3600
    third = records.make([service()], [DOOR], ())[WEB]
    assert third != second and read(third, clock.now).not_after <= clock.now + RECORD_LIFETIME


def test_a_new_certificate_signs_everything_again(identity: NodeIdentity) -> None:
    records = Records(identity)
    first = records.make([service()], [DOOR], ())[WEB]
    pool, key = lab(), node7().key.public_key()
    cert = issue_node(pool.key, pool.root, "node7", pool.domain, key, time.time(), 8 * DAY)
    identity.renewed(m.Enrolled(certificate=checks.to_der(cert)))
    second = records.make([service()], [DOOR], ())[WEB]
    assert second.certificate == checks.to_der(cert) != first.certificate


def test_who_can_be_met_nowhere_is_not_published(identity: NodeIdentity) -> None:
    records = Records(identity)
    assert records.make([service()], [], ()) == {}
    assert records.get(WEB) is None


def test_a_door_that_is_too_long_is_left_out_and_many_are_cut(identity: NodeIdentity) -> None:
    """A door at a broker ends with whatever the broker's owner has written."""
    long = Route.parse("public/" + "/".join(["ip4:192.0.2.1:9"] + ["service:x"] * (MAX_STAGES - 1)))
    records = Records(identity)
    made = records.make([service()], [long, DOOR], ())
    assert m.decode_record(made[WEB].payload).address == f"{DOOR}/service:web"
    assert records.make([service()], [long], ()) == {}
    many = [Route.parse(f"public/ip4:192.0.2.{n}:9618") for n in range(1, MAX_ROUTES + 9)]
    made = records.make([service()], many, ())
    assert len(Address.parse(m.decode_record(made[WEB].payload).address)) == MAX_ROUTES
