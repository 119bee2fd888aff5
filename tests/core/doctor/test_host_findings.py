"""Facts of one host, and what is said of them: one row for each thing that can be the matter."""

from __future__ import annotations

from dataclasses import replace

import pytest

from glasnost.core.doctor import agent, certificate, clock, home
from glasnost.core.doctor.facts import (
    AgentFacts,
    CertificateFacts,
    ClockFacts,
    Disk,
    HomeFacts,
    Item,
    Process,
    ProcessFacts,
    Sample,
    SettingsFacts,
    Unknown,
)
from tests.core.doctor.table import Expected, check

DAY, HOUR = 86_400.0, 3600.0


def ids(cases: list[tuple[object, ...]]) -> list[str]:
    return [str(case[0]) for case in cases]


# --- home and permissions -----------------------------------------------------------------------


def directory(path: str, mode: int = 0o700, owner: int = 1000, name: str = "ann") -> Item:
    return Item(path, "directory", mode, owner, name)


def file(path: str, mode: int = 0o600) -> Item:
    return Item(path, "file", mode, 1000, "ann")


WELL = HomeFacts(
    user=1000,
    user_name="ann",
    home=directory("/h"),
    joined=True,
    run=directory("/r"),
    socket=Item("/r/agent.sock", "socket", 0o600, 1000, "ann"),
    agent_lives=True,
    keys=(file("/h/node.key"),),
    settings=file("/h/glasnost.toml", 0o644),
    disk=Disk(free=12_000_000_000),
)
VAR = directory("/var/lib/glasnost", owner=0, name="root")
BOBS = directory("/h", owner=1001, name="bob")

HOMES: list[tuple[str, HomeFacts, list[Expected]]] = [
    ("all is well", WELL, [("ok", "/h and its keys are private, with 12.0 GB free", "")]),
    (
        "no agent runs",
        replace(WELL, run=Item("/r"), socket=Item("/r/agent.sock"), agent_lives=False),
        [("ok", "private", "")],
    ),
    (
        "nothing is there",
        replace(WELL, home=Item("/h"), joined=False),
        [("problem", "joined no pool, as far as ann can see: /h holds none", "glasnost join")],
    ),
    (
        "another user has one",
        replace(WELL, home=Item("/h"), joined=False, elsewhere=(VAR,)),
        [
            ("note", "/var/lib/glasnost is there and belongs to root", "sudo glasnost doctor"),
            ("problem", "joined no pool", "glasnost up"),
        ],
    ),
    (
        "it may not be looked at",
        replace(WELL, home=Item("/h", "hidden"), joined=False),
        [("problem", "/h may not be looked at by ann", "as root")],
    ),
    (
        "it is another's",
        replace(WELL, home=BOBS),
        [("problem", "/h belongs to bob, and this is ann", "as bob")],
    ),
    (
        "it is another's, and we are root",
        replace(WELL, user=0, home=BOBS, run=directory("/r", owner=1001, name="bob")),
        [("note", "/h belongs to bob: its agent runs as that user", "")],
    ),
    (
        "the sockets are another's, and we are root",
        replace(WELL, user=0, home=directory("/h", owner=0), run=replace(BOBS, path="/r")),
        [("note", "/r belongs to bob", "")],
    ),
    (
        "others may enter it",
        replace(WELL, home=directory("/h", 0o755)),
        [("warning", "/h may be entered by others (mode 0755)", "chmod 700 /h")],
    ),
    (
        "others may enter the sockets",
        replace(WELL, run=directory("/r", 0o770)),
        [("warning", "/r may be entered by others (mode 0770)", "chmod 700 /r")],
    ),
    (
        "the sockets may not be looked at",
        replace(WELL, run=Item("/r", "hidden")),
        [("problem", "/r may not be looked at", "as root")],
    ),
    (
        "a file is in the way",
        replace(WELL, run=file("/r")),
        [("problem", "/r is no directory", "move it away")],
    ),
    (
        "others may read a key",
        replace(WELL, keys=(file("/h/node.key", 0o640), file("/h/authority/root.key"))),
        [("problem", "/h/node.key is a private key that others may read", "chmod 600 /h/node.key")],
    ),
    (
        "a key is missing",
        replace(WELL, keys=(Item("/h/node.key"),)),
        [("problem", "/h/node.key is missing", "join the pool again")],
    ),
    (
        "others may write the settings",
        replace(WELL, settings=file("/h/glasnost.toml", 0o664)),
        [("warning", "/h/glasnost.toml may be written by others", "chmod go-w /h/glasnost.toml")],
    ),
    (
        "an agent was killed",
        replace(WELL, agent_lives=False),
        [("note", "/r/agent.sock was left by an agent that did not end properly", "nothing")],
    ),
    (
        "a full disk",
        replace(WELL, disk=Disk(free=900)),
        [("problem", "only 900 bytes are free where /h lies", "make room")],
    ),
    (
        "a disk that fills",
        replace(WELL, disk=Disk(free=100_000_000)),
        [("warning", "only 100.0 MB are free where /h lies", "make room")],
    ),
    (
        "a read-only disk, however empty",
        replace(WELL, disk=Disk(free=0, read_only=True)),
        [("problem", "its file system is read-only", "mount it for writing")],
    ),
]


@pytest.mark.parametrize("facts, expected", [c[1:] for c in HOMES], ids=ids(list(HOMES)))
def test_homes(facts: HomeFacts, expected: list[Expected]) -> None:
    check(home.judge(facts), *expected)


FINE = SettingsFacts("/h/glasnost.toml", there=True)
SETTINGS: list[tuple[str, SettingsFacts, list[Expected]]] = [
    ("all is well", FINE, [("ok", "/h/glasnost.toml can be used", "")]),
    ("there is none", replace(FINE, there=False), [("ok", "everything has its default", "")]),
    (
        "an unknown word",
        replace(FINE, unknown=(Unknown("prot", "/h/glasnost.toml", "port"),)),
        [("problem", "/h/glasnost.toml: prot is no setting: did you mean port?", "correct")],
    ),
    (
        "an unknown variable",
        replace(FINE, unknown=(Unknown("GLASNOST_X", "environment"),)),
        [("warning", "environment: GLASNOST_X is no setting", "remove it")],
    ),
    (
        "a wrong value",
        replace(FINE, problem="/h/glasnost.toml: Expected `int`, got `str` - at `$.port`"),
        [("problem", "Expected `int`", "no daemon starts")],
    ),
    (
        "what this host cannot do",
        replace(FINE, unfit="enable_ipv6 is true, and this host has no address of it"),
        [
            ("problem", "enable_ipv6 is true", "no agent starts"),
        ],
    ),
    (
        "changed since",
        replace(FINE, newer=True),
        [("note", "was changed after the agent had read it", "reload"), ("ok", "can be used", "")],
    ),
]


@pytest.mark.parametrize("facts, expected", [c[1:] for c in SETTINGS], ids=ids(list(SETTINGS)))
def test_settings(facts: SettingsFacts, expected: list[Expected]) -> None:
    check(home.judge_settings(facts), *expected)


# --- the certificate ----------------------------------------------------------------------------

NOW = 1_750_000_000.0
GOOD = CertificateFacts(
    now=NOW,
    host="node7.lab",
    not_before=NOW - DAY,
    not_after=NOW + 6 * DAY,
    renew_at=NOW + 2 * DAY,
    root_not_after=NOW + 3650 * DAY,
    grace=30 * DAY,
    agent_runs=True,
)
CERTIFICATES: list[tuple[str, CertificateFacts, list[Expected]]] = [
    ("all is well", GOOD, [("ok", "node7.lab: good for 6 d, to be renewed in 2 d", "")]),
    (
        "due, and the agent sees to it",
        replace(GOOD, renew_at=NOW - 1),
        [("ok", "good for 6 d, to be renewed now", "")],
    ),
    (
        "due, and nobody sees to it",
        replace(GOOD, renew_at=NOW - 1, agent_runs=False),
        [("warning", "ends in 6 d, and no agent runs", "start the agent")],
    ),
    (
        "a renewal failed",
        replace(GOOD, renewal_problem="the authority is away"),
        [("warning", "could not be renewed: the authority is away", "reaches the authority")],
    ),
    (
        "ended",
        replace(GOOD, not_after=NOW - 2 * DAY),
        [("problem", "ended 2 d ago", "it can be renewed for 28 d more")],
    ),
    (
        "ended, and nobody renews",
        replace(GOOD, not_after=NOW, agent_runs=False, renewal_problem="refused"),
        [("problem", "ended 0 s ago, and could not be renewed: refused", "start the agent")],
    ),
    (
        "ended long ago",
        replace(GOOD, not_after=NOW - 31 * DAY),
        [("problem", "ended 31 d ago", "too old to be renewed: join again")],
    ),
    (
        "not begun",
        replace(GOOD, not_before=NOW + HOUR),
        [("problem", "begins in 1 h: nobody believes it yet", "clock")],
    ),
    (
        "of another pool",
        replace(GOOD, untrusted="it was not issued by this pool's authority"),
        [("problem", "not issued by this pool's authority", "join again")],
    ),
    (
        "cannot be read",
        CertificateFacts(NOW, problem="cannot read /h/node.crt"),
        [("problem", "cannot read /h/node.crt", "restore the file")],
    ),
    (
        "the root ends",
        replace(GOOD, root_not_after=NOW + 30 * DAY),
        [("warning", "the pool's root ends in 30 d", "new pool"), ("ok", "good for 6 d", "")],
    ),
    (
        "the root has ended",
        replace(GOOD, root_not_after=NOW - DAY),
        [("problem", "the pool's root ended 1 d ago", "new pool"), ("ok", "good for 6 d", "")],
    ),
]


@pytest.mark.parametrize(
    "facts, expected", [c[1:] for c in CERTIFICATES], ids=ids(list(CERTIFICATES))
)
def test_certificates(facts: CertificateFacts, expected: list[Expected]) -> None:
    check(certificate.judge(facts), *expected)


# --- the clock ----------------------------------------------------------------------------------

CLOCKS: list[tuple[str, list[Sample], list[Expected]]] = [
    ("nobody was asked", [], [("note", "nobody could be asked", "")]),
    (
        "it agrees, by the best measure",
        [Sample("directory.cm", 0.02, 0.03), Sample("broker.cm", -0.001, 0.002)],
        [("ok", "it agrees with broker.cm: -1.0 ms, give or take 2.0 ms", "")],
    ),
    (
        "a slow line says little",
        [Sample("directory.cm", 8.0, 4.0)],
        [("ok", "+8000.0 ms, give or take 4000.0 ms", "")],
    ),
    (
        "one differs, and nobody says who is right",
        [Sample("directory.cm", 60.0, 0.1)],
        [("warning", "this host's clock, or that of directory.cm, is wrong", "NTP")],
    ),
    (
        "all differ: ours is wrong",
        [Sample("directory.cm", 60.0, 0.1), Sample("broker.cm", 60.1, 0.1)],
        [("warning", "this host's clock is wrong: that of directory.cm is 60.0 s ahead", "NTP")],
    ),
    (
        "by more than certificates forgive",
        [Sample("directory.cm", -7200.0, 0.1), Sample("broker.cm", -7201.0, 0.1)],
        [("problem", "directory.cm is 2 h behind ours", "certificates forgive 5 min")],
    ),
    (
        "one differs from all: its is wrong",
        [Sample("directory.cm", 0.01, 0.01), Sample("broker.b", -400.0, 0.1)],
        [
            ("warning", "the clock of broker.b is 400.0 s behind ours", "on that host"),
            ("ok", "it agrees with directory.cm", ""),
        ],
    ),
    (
        "in the clear, where nothing is proven",
        [Sample("the authority", 86_400.0, 0.1, proven=False)],
        [("problem", "nothing proves that", "NTP")],
    ),
    (
        "what is proven counts alone",
        [Sample("the authority", 86_400.0, 0.1, proven=False), Sample("broker.cm", 0.0, 0.001)],
        [("ok", "it agrees with broker.cm", "")],
    ),
]


@pytest.mark.parametrize("samples, expected", [c[1:] for c in CLOCKS], ids=ids(list(CLOCKS)))
def test_clocks(samples: list[Sample], expected: list[Expected]) -> None:
    check(clock.judge(ClockFacts(tuple(samples), tolerance=300)), *expected)


# --- descriptors, agent -------------------------------------------------------------------------

AGENT = Process("agent", 12, used=40, soft=20_000, hard=20_000)
PROCESSES: list[tuple[str, list[Process], list[Expected]]] = [
    ("enough", [AGENT], [("ok", "agent (process 12): 40 of 20000 open", "")]),
    ("no limit", [replace(AGENT, soft=None)], [("ok", "agent: 40 open, no limit", "")]),
    (
        "many are open",
        [replace(AGENT, used=16_000)],
        [("warning", "16000 of 20000 open", "LimitNOFILE=4096")],
    ),
    (
        "nearly all are open",
        [replace(AGENT, used=19_000)],
        [("problem", "about to refuse", "LimitNOFILE=4096")],
    ),
    (
        "few are allowed",
        [replace(AGENT, soft=1024, hard=1024)],
        [("warning", "agent may have 1024 descriptors", "LimitNOFILE=4096")],
    ),
    (
        "few were taken",
        [replace(AGENT, soft=1024, hard=20_000)],
        [("note", "it could ask for more", "restart it")],
    ),
    (
        "fewer than a broker would use",
        [AGENT, Process("broker", 13, used=30, soft=20_000, hard=20_000, wants=32_000)],
        [
            ("ok", "agent (process 12)", ""),
            ("note", "would use 32000, and are lowered to fit", "LimitNOFILE=32000"),
        ],
    ),
    (
        "before any runs",
        [Process("an agent", 0, 0, 20_000, 20_000)],
        [("ok", "an agent may have 20000", "")],
    ),
]


@pytest.mark.parametrize(
    "processes, expected", [c[1:] for c in PROCESSES], ids=ids(list(PROCESSES))
)
def test_descriptors(processes: list[Process], expected: list[Expected]) -> None:
    check(agent.judge_descriptors(ProcessFacts(tuple(processes), root=True)), *expected)


def test_sockets_in_flight_are_bounded_for_who_is_not_root() -> None:
    few = replace(AGENT, soft=1024, hard=1024)
    found = list(agent.judge_descriptors(ProcessFacts((AGENT, few), root=False)))
    assert "at most 1024 sockets are on their way to services" in found[-1].what
    check(agent.judge_descriptors(ProcessFacts((AGENT,), root=False)), ("ok", "agent", ""))


RUNS = AgentFacts(
    version="0.1.0", own_version="0.1.0", pid=12, age=7300, port=9618, wanted_port=9618
)
GONE = AgentFacts("no agent answers at /r/agent.sock", own_version="0.1.0", wanted_port=9618)
AGENTS: list[tuple[str, AgentFacts, list[Expected]]] = [
    ("it runs", RUNS, [("ok", "it has run for 2 h as process 12, on TCP port 9618", "")]),
    (
        "it is of another release",
        replace(RUNS, version=""),
        [("warning", "an older release, this command 0.1.0", "restart"), ("ok", "has run", "")],
    ),
    (
        "it listens nowhere",
        replace(RUNS, port=None),
        [("warning", "listens on no TCP port", "listen"), ("ok", "as process 12", "")],
    ),
    (
        "it is on another port",
        replace(RUNS, port=4000),
        [("note", "on port 4000, and the settings say 9618", "--port"), ("ok", "4000", "")],
    ),
    ("any port will do", replace(RUNS, port=4000, wanted_port=0), [("ok", "port 4000", "")]),
    ("it does not run", GONE, [("problem", "no agent answers", "glasnost agent")]),
    (
        "somebody stands in",
        replace(GONE, stand_in=True),
        [("problem", "no agent answers", "this command stood in for it")],
    ),
    (
        "it is another user's",
        replace(GONE, owner="bob"),
        [("problem", "no agent answers", "run this as bob, whose agent it is")],
    ),
    (
        "it hangs",
        replace(GONE, pid=12, taken=True),
        [("problem", "no agent answers at /r/agent.sock, and process 12 has its lock", "kill 12")],
    ),
    (
        "its port is another's",
        replace(GONE, taken=True),
        [
            ("problem", "no agent answers", "glasnost agent"),
            ("problem", "another program listens on TCP port 9618", "ss -ltnp"),
        ],
    ),
]


@pytest.mark.parametrize("facts, expected", [c[1:] for c in AGENTS], ids=ids(list(AGENTS)))
def test_agents(facts: AgentFacts, expected: list[Expected]) -> None:
    check(agent.judge(facts), *expected)
