"""HTCondor's ads, ten thousand of them with 184 attributes each: answers read, answers written,
names and expressions looked for, updates kept, and the memory that they take.

One process and no network: what a channel costs is measured where there is one. HTCondor's own
figures on such a machine (collector and client together): 437 ms for all of 10,000 ads, 50 ms for
three attributes, 32 ms for one name, 18 kB of memory for each.
"""

from __future__ import annotations

import gc
import random
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import classad2

from benchmarks.figures import ROUNDS, Figure, Goal, at_least, at_most, process
from glasnost.condor.classad import Ad, Expression, Value
from glasnost.condor.classad.answers import AnswerReader
from glasnost.condor.collector import Channel, Collector
from glasnost.condor.judge import evaluate, parses

ADS = 10_000
ATTRIBUTES = 184
#: The size of what a channel's packets bring at a time.
PACKET = 1024 * 1024
UPDATE, QUERY = 0, 5
THREE = "Name MyAddress State"
ENCRYPTED = Channel(encrypted=True, knows_private=True)
CLEAR = Channel()


def slot(number: int) -> list[bytes]:
    """The lines of one slot: 6 kB, as a startd sends them."""
    chance = random.Random(number)
    address = f"10.0.{number >> 8}.{number & 255}"
    host = f"node{number}.example.org"
    lines = [
        'MyType = "Machine"',
        f'Name = "slot1@{host}"',
        f'Machine = "{host}"',
        f'MyAddress = "<{address}:9618?addrs={address}-9618&alias={host}&noUDP&sock=startd_12_a>"',
        f'State = "{chance.choice(["Unclaimed", "Claimed", "Owner"])}"',
        f"Cpus = {chance.choice([1, 2, 4, 8, 16])}",
        f"Memory = {chance.randrange(1024, 65536)}",
        f"DaemonStartTime = {1_700_000_000 + number}",
        f"UpdateSequenceNumber = {chance.randrange(100)}",
        'Start = (Cpus > 0) && (Owner =!= "nobody")',
        "Requirements = Start && (TARGET.RequestMemory <= Memory)",
        "CpuBusy = ((LoadAvg - CondorLoadAvg) >= 0.5)",
        "Share = ifThenElse(Cpus > 4, Memory / Cpus, 0)",
    ]
    made: tuple[Callable[[], str], ...] = (
        lambda: str(chance.randrange(10**6)),
        lambda: f'"{"v" * chance.randrange(5, 25)}"',
        lambda: f"{chance.random():.6f}",
        lambda: "true",
    )
    lines += [f"SomeAttributeNumber{at} = {made[at % 4]()}" for at in range(len(lines), ATTRIBUTES)]
    return [line.encode() for line in lines]


def measure() -> list[Figure]:
    slots = [slot(number) for number in range(ADS)]
    collector = filled(slots)
    return [*_reading(collector), *_answering(collector), *_updating(slots), _memory()]


def filled(slots: list[list[bytes]]) -> Collector:
    collector = Collector(is_expression=parses)
    for lines in slots:
        collector.update(UPDATE, Ad.from_lines(lines), 0)
    return collector


def _reading(collector: Collector) -> list[Figure]:
    """Answers, as a client reads them."""
    three, everything = (
        {
            channel: b"".join(collector.query(QUERY, asked).pieces(channel))
            for channel in (ENCRYPTED, CLEAR)
        }
        for asked in (query(Projection=THREE), query())
    )
    size = len(everything[CLEAR]) // 1_000_000
    texts = [b"\n".join(ad.lines()).decode() + "\n" for ad in read(everything[CLEAR], CLEAR)]

    def values(data: bytes) -> None:
        for ad in read(data, ENCRYPTED):
            ad.as_dict()

    def library() -> None:
        for text in texts:
            classad2.parseNext(text, classad2.ParserType.Old)

    def three_values() -> None:
        for ad in read(three[ENCRYPTED], ENCRYPTED):
            _ = ad["Name"], ad["MyAddress"], ad["State"]

    whole = f"of all attributes ({size} MB)"
    return [
        timed("10,000 ads of three attributes read", three_values, at_most(400, "ours")),
        timed(f"... {whole} cut", lambda: read(everything[ENCRYPTED], ENCRYPTED), SOON),
        timed(f"... {whole} cut, in the clear", lambda: read(everything[CLEAR], CLEAR), SOON),
        Figure(
            f"... {whole}, every value; HTCondor's library",
            "ms",
            [seconds(lambda: values(everything[ENCRYPTED])) * 1e3 for _ in range(3)],
            [seconds(library) * 1e3 for _ in range(3)],
            at_most(8_000, "ours"),
        ),
    ]


SOON = at_most(1_500, "ours")


def _answering(collector: Collector) -> list[Figure]:
    """Queries, until all bytes of their answers are there."""

    def asked(channel: Channel, **values: Value) -> Callable[[], None]:
        ad = query(**values)

        def answer() -> None:
            found = collector.query(QUERY, ad)
            verdicts = [evaluate(work.expression, work.rows) for work in found.work]
            for _ in found.pieces(channel, verdicts):
                pass

        return answer

    name = Expression('((Name == "slot1@node7777.example.org"))')
    few = Expression('State == "Unclaimed" && Cpus > 4')
    many = Expression("Memory > 60000 && Share > 5000")
    return [
        timed("three of 10,000 ads told", asked(ENCRYPTED, Projection=THREE), at_most(80, "ours")),
        timed("... in the clear", asked(CLEAR, Projection=THREE), at_most(80, "ours")),
        timed("all of 10,000 ads told", asked(ENCRYPTED), at_most(600, "ours")),
        timed("... in the clear", asked(CLEAR), at_most(600, "ours")),
        timed("one name among 10,000", asked(ENCRYPTED, Requirements=name), at_most(2, "ours")),
        timed("an expression, few rows", asked(ENCRYPTED, Requirements=few, Projection=THREE)),
        timed("an expression, a row each", asked(ENCRYPTED, Requirements=many, Projection=THREE)),
    ]


def _updating(slots: list[list[bytes]]) -> list[Figure]:
    collector = filled(slots)
    rates = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        for lines in slots:
            collector.update(UPDATE, Ad.from_lines(lines), 1)
        rates.append(ADS / (time.perf_counter() - begun))
    return [Figure("updates kept", "1/s", rates, (), at_least(6_000, "ours"))]


def _memory() -> Figure:
    """In a process of its own, where nothing else has been."""
    with process(weigh) as (_, taken):
        return Figure("memory of an ad that is kept", "kB", [taken / 1e3], (), at_most(20, "ours"))


def weigh(pipe: Connection) -> None:
    filled([slot(0)])  # what is loaded and remembered once
    gc.collect()
    before = resident()
    collector = Collector(is_expression=parses)
    for number in range(ADS):
        collector.update(UPDATE, Ad.from_lines(slot(number)), 0)
    gc.collect()
    pipe.send((resident() - before) / ADS)
    pipe.recv()


def resident() -> int:
    """Bytes of memory that this process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def query(**values: Value) -> Ad:
    return Ad({"MyType": "Query", "TargetType": "Machine", **values})


def read(data: bytes, channel: Channel) -> list[Ad]:
    reader = AnswerReader(encrypted=channel.encrypted)
    ads = [ad for at in range(0, len(data), PACKET) for ad in reader.feed(data[at : at + PACKET])]
    reader.finish()
    return ads


def timed(what: str, work: Callable[[], object], goal: Goal | None = None) -> Figure:
    return Figure(what, "ms", [seconds(work) * 1e3 for _ in range(ROUNDS)], (), goal)


def seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun
