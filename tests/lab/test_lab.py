"""The lab keeps its promises: who reaches whom, what is hidden, what is lost, what stays behind."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from glasnost.testing.lab import Lab, LabError, LabUnavailable, Node
from glasnost.testing.lab import kernel as lab_kernel
from glasnost.testing.lab.model import Nat
from glasnost.testing.lab.tools import Job, find, run_jobs

if TYPE_CHECKING:
    from tests.lab.conftest import Wire

pytestmark = pytest.mark.lab

SRC = Path(__file__).parents[2] / "src"
PORT = 9618
Eventually = Callable[[Callable[[], bool]], bool]


class Cell(NamedTuple):
    """One connect of the matrix: who, to which address of whom, what comes of it and why."""

    source: str
    target: str
    protocol: str
    expected: str
    why: str


MATRIX = [
    Cell("cm", "six", "ip6", "connected", "both on the internet with ip6"),
    Cell("cm", "campus1", "ip4", "silence", "public address, and the site's firewall drops"),
    Cell("cm", "node9", "ip6", "refused", "public ip6 address, and the site's firewall rejects"),
    Cell("cm", "open1", "ip6", "connected", "public ip6 address, and the site lets everything in"),
    Cell("cm", "node7", "ip4", "silence", "the internet carries no private addresses"),
    Cell("cm", "home", "ip4", "silence", "the router's own firewall drops"),
    Cell("cm", "office", "ip4", "refused", "the router's own firewall rejects"),
    Cell("cm", "open", "ip4", "refused", "the router lets it in, and nobody listens there"),
    Cell("cm", "both", "ip4", "connected", "a leg of its own on the internet"),
    Cell("node7", "cm", "ip4", "connected", "out through the NAT"),
    Cell("node7", "cm", "ip6", "unreachable", "the site has no ip6"),
    Cell("node7", "node8", "ip4", "connected", "same site"),
    Cell("node7", "campus1", "ip4", "silence", "the other site's firewall drops"),
    Cell("node9", "cm", "ip4", "connected", "out through the NAT with random ports"),
    Cell("node9", "cm", "ip6", "connected", "out through the firewall, without NAT"),
    Cell("node9", "open1", "ip6", "connected", "public ip6 address in a site without a guard"),
    Cell("campus1", "cm", "ip4", "connected", "out with its own public address"),
    Cell("both", "cm", "ip4", "connected", "by its public leg"),
    Cell("nested", "cm", "ip4", "connected", "out through two NATs"),
    Cell("six", "cm", "ip4", "unreachable", "it has no ip4"),
    Cell("four", "six", "ip6", "unreachable", "it has no ip6"),
    Cell("four", "cm", "ip4", "connected", "both on the internet with ip4"),
]


def test_everyone_reaches_exactly_whom_they_should(lab: Lab, wire: Wire) -> None:
    lab.host("cm")
    lab.host("six", ip4=False)
    lab.host("four", ip6=False)
    home = lab.site("home")
    office = lab.site("office", nat="random", inbound="reject", ip6=True)
    campus = lab.site("campus", nat=None, ip6=True)
    unguarded = lab.site("open", inbound="accept", ip6=True)
    provider = lab.site("provider", ip4="10.0.0.0/8")
    flat = lab.site("flat", provider)
    for name, site in [("node7", home), ("node8", home), ("node9", office), ("campus1", campus)]:
        lab.host(name, site)
    lab.host("open1", unguarded)
    lab.host("nested", flat)
    lab.host("both", home, public=True)
    lab.up()
    for host in lab.hosts.values():
        wire.serve(host)

    def attempt(cell: Cell) -> str:
        target: Node = lab.hosts.get(cell.target) or lab.sites[cell.target]
        address = getattr(target, cell.protocol)
        silent = cell.expected == "silence"
        return wire.outcome(lab.hosts[cell.source], address, silent=silent)

    with ThreadPoolExecutor(len(MATRIX)) as pool:
        outcomes = list(pool.map(attempt, MATRIX))
    wrong = [
        f"{cell.source} -> {cell.target} ({cell.protocol}): {outcome}, "
        f"not {cell.expected}: {cell.why}"
        for cell, outcome in zip(MATRIX, outcomes, strict=True)
        if outcome != cell.expected
    ]
    assert not wrong, "\n".join(wrong)


def test_from_outside_one_sees_only_the_router(lab: Lab, wire: Wire) -> None:
    cm, home = lab.host("cm"), lab.site("home")
    node7 = lab.host("node7", home)
    listener = wire.serve(cm)
    sock = wire.connect(node7, cm.ip4)
    _, seen = wire.accept(listener)
    assert sock.getsockname()[0] == node7.ip4 == "192.168.1.2"
    assert seen == home.ip4


@pytest.mark.parametrize(("nat", "kept"), [("masquerade", True), ("random", False)])
def test_a_nat_keeps_ports_or_does_not(lab: Lab, wire: Wire, nat: Nat, kept: bool) -> None:
    cm = lab.host("cm")
    node7 = lab.host("node7", lab.site("home", nat=nat))
    listener = wire.serve(cm)
    pairs = []
    for _ in range(5):
        sock = wire.connect(node7, cm.ip4)
        accepted, _ = wire.accept(listener)
        pairs.append((sock.getsockname()[1], accepted.getpeername()[1]))
    # One random port may happen to be the same, five cannot.
    assert all(inner == outer for inner, outer in pairs) is kept


def test_a_published_port_lets_strangers_in(lab: Lab, wire: Wire) -> None:
    cm, home = lab.host("cm"), lab.site("home")
    node7 = lab.host("node7", home)
    listener = wire.serve(node7)
    home.publish(7000, node7, PORT)
    wire.connect(cm, home.ip4, 7000)
    _, seen = wire.accept(listener)
    assert seen == cm.ip4


def test_the_same_private_range_at_two_sites_reaches_yourself(lab: Lab, wire: Wire) -> None:
    here = lab.host("here", lab.site("home", ip4="10.0.0.0/8"))
    there = lab.host("there", lab.site("office", ip4="10.0.0.0/8"))
    assert here.ip4 == there.ip4
    mine, theirs = wire.serve(here), wire.serve(there)
    wire.connect(here, there.ip4)
    wire.accept(mine)
    theirs.setblocking(False)
    with pytest.raises(BlockingIOError):
        theirs.accept()


def test_a_black_hole_hangs_and_a_reject_answers(lab: Lab, wire: Wire) -> None:
    cm, far = lab.host("cm"), lab.host("far")
    wire.serve(far)
    far.firewall(f"tcp dport {PORT} drop")
    for address in (far.ip4, far.ip6):
        assert wire.outcome(cm, address, silent=True) == "silence"
    far.clear_firewall()
    far.firewall(f"tcp dport {PORT} reject with tcp reset")
    assert wire.outcome(cm, far.ip4) == wire.outcome(cm, far.ip6) == "refused"
    far.clear_firewall()
    assert wire.outcome(cm, far.ip4) == wire.outcome(cm, far.ip6) == "connected"


def test_a_site_can_filter_what_leaves(lab: Lab, wire: Wire) -> None:
    cm, home = lab.host("cm"), lab.site("home")
    node7 = lab.host("node7", home)
    wire.serve(cm)
    home.firewall(f"tcp dport {PORT} drop", hook="forward")
    assert wire.outcome(node7, cm.ip4, silent=True) == "silence"


def test_a_round_trip_takes_twice_the_delay(lab: Lab, wire: Wire) -> None:
    delay = 0.020
    cm, far = lab.host("cm"), lab.host("far", delay=delay)
    wire.serve(far)
    wire.connect(cm, far.ip4)  # now the neighbours know each other
    wire.connect(cm, far.ip6)
    for address in (far.ip4, far.ip6):
        times = []
        for _ in range(9):
            start = time.perf_counter()
            wire.connect(cm, address)
            times.append(time.perf_counter() - start)
        assert min(times) >= 2 * delay
        assert statistics.median(times) < 3 * delay


def test_a_delayed_cable_carries_bulk_data_whole(lab: Lab, wire: Wire) -> None:
    cm, far = lab.host("cm"), lab.host("far", delay=0.002)
    listener = wire.serve(far)
    sender = wire.connect(cm, far.ip4)
    receiver, _ = wire.accept(listener)
    sent = random.Random(1).randbytes(8_000_000)
    assert _transfer(sender, receiver, sent) == sent


def _transfer(sender: socket.socket, receiver: socket.socket, data: bytes) -> bytes:
    """Send while receiving, as neither side's buffer holds it all; what has arrived."""
    received = bytearray()
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(sender.sendall, data)
        while len(received) < len(data):
            received += receiver.recv(1 << 20)
        sending.result()
    return bytes(received)


def test_losses_come_in_the_share_asked_for(lab: Lab) -> None:
    cm, lossy = lab.host("cm"), lab.host("lossy", loss=0.2)
    total, arrived = 4000, 0
    with lossy.inside():
        receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with cm.inside():
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with receiver, sender:
        receiver.bind(("", PORT))
        receiver.setblocking(False)
        for _ in range(total // 100):
            for _ in range(100):
                sender.sendto(b"x", (str(lossy.ip4), PORT))
            arrived += _drain(receiver)
    # Six standard deviations of a binomial with p = 0.2 and n = 4000 are 0.038.
    assert abs((total - arrived) / total - 0.2) < 0.04


def _drain(sock: socket.socket) -> int:
    """Count datagrams that are there; where there is no delay, sending them delivers them."""
    count = 0
    try:
        while sock.recv(100):
            count += 1
    except BlockingIOError:
        pass
    return count


def test_counters_say_who_carried_the_bytes(lab: Lab, wire: Wire) -> None:
    cm, other, home = lab.host("cm"), lab.host("other"), lab.site("home")
    node7 = lab.host("node7", home)
    listener = wire.serve(cm)
    sender = wire.connect(node7, cm.ip4)
    receiver, _ = wire.accept(listener)
    _transfer(sender, receiver, bytes(1_000_000))
    assert 1_000_000 < node7.bytes_to(cm) < 1_200_000
    assert 1_000_000 < cm.bytes_from(node7) < 1_200_000
    assert cm.bytes_to(node7) == node7.bytes_from(cm) < 100_000
    assert cm.bytes_from(other) == other.bytes_from(cm) == 0
    assert set(cm.counters()) == {home.ip4}, "a host behind NAT is seen as its router"
    assert set(node7.counters()) == {cm.ip4}
    cm.reset_counters()
    assert cm.counters() == {}


def test_counters_cover_both_protocols(lab: Lab, wire: Wire) -> None:
    cm, six = lab.host("cm"), lab.host("six")
    wire.serve(cm)
    wire.connect(six, cm.ip4)
    four = six.bytes_to(cm)
    wire.connect(six, cm.ip6)
    assert six.bytes_to(cm) > four > 0
    assert set(six.counters()) == {cm.ip4, cm.ip6}


@pytest.mark.parametrize("delay", [0.0, 0.001])
def test_an_unplugged_host_is_silent_until_it_is_plugged_in(
    lab: Lab, wire: Wire, delay: float
) -> None:
    cm, far = lab.host("cm"), lab.host("far", delay=delay)
    wire.serve(far)
    wire.connect(cm, far.ip4)
    wire.connect(cm, far.ip6)
    far.unplug()
    assert "UNPLUGGED" in str(lab)
    for address in (far.ip4, far.ip6):
        assert wire.outcome(cm, address, silent=True) != "connected"
    far.plug()
    wire.connect(cm, far.ip4)
    wire.connect(cm, far.ip6)


def test_a_host_described_later_is_added(lab: Lab, wire: Wire) -> None:
    cm = lab.host("cm")
    wire.serve(cm)
    late = lab.host("late", lab.site("home"))
    wire.connect(late, cm.ip4)


def test_ip6_works_at_once(lab: Lab, wire: Wire) -> None:
    """No second of waiting for duplicate addresses, cables or the bridge."""
    cm = lab.host("cm")
    node7 = lab.host("node7", lab.site("home", ip6=True, inbound="accept"))
    wire.serve(cm)
    assert wire.outcome(node7, cm.ip6) == "connected"


def test_a_process_runs_in_its_host_and_ours_does_not(lab: Lab) -> None:
    node7 = lab.host("node7", lab.site("home"))
    before = os.readlink("/proc/self/ns/net")
    shown = node7.run([find("ip"), "-br", "addr"], capture_output=True, text=True).stdout
    assert "192.168.1.2/24" in shown
    with pytest.raises(ZeroDivisionError), node7.inside():
        raise ZeroDivisionError
    assert os.readlink("/proc/self/ns/net") == before


def test_the_lab_is_not_connected_to_the_machine(lab: Lab) -> None:
    cm = lab.host("cm")
    with cm.inside():
        names = {name for _, name in socket.if_nameindex()}
    assert names == {"lo", "eth0"}


def test_topology_shows_what_one_wants_to_know_when_a_test_fails(lab: Lab) -> None:
    lab.host("six", ip4=False)
    home = lab.site("home", nat="random", inbound="reject")
    lab.host("both", home, public=True)
    far = lab.host("far", delay=0.01, loss=0.015)
    far.firewall("tcp dport 9618 drop")
    rows = str(lab).splitlines()
    assert rows == [
        "internet",
        "├─ six      2001:db8:0:1::1",
        "├─ home     198.51.100.2  2001:db8:0:2::1  inside 192.168.1.0/24"
        "  nat=random  inbound=reject",
        "│  └─ both  192.168.1.2  also on internet",
        "├─ both     203.0.113.3  2001:db8:0:3::1  also on home",
        "└─ far      203.0.113.4  2001:db8:0:4::1  delay 10 ms  loss 1.5 %  [tcp dport 9618 drop]",
    ]


def test_what_cannot_be_built_is_refused_in_words(lab: Lab) -> None:
    home = lab.site("home")
    with pytest.raises(LabError, match="there is a home"):
        lab.host("home")
    with pytest.raises(LabError, match="no protocol in common"):
        lab.host("six", home, ip4=False)
    with pytest.raises(LabError, match="not a private IPv4 prefix"):
        lab.site("wrong", ip4="8.8.8.0/24")
    with pytest.raises(LabError, match="directly on the internet"):
        lab.site("inner", home, ip6=True)
    with pytest.raises(LabError, match="syntax error"):
        lab.host("cm").firewall("gibberish")


# --- nothing stays behind ------------------------------------------------------------------------

# A child, its child in a session of its own, and the orphan of one that has ended.
FAMILY = "setsid --fork sleep 1000; sleep 1000 & setsid sleep 1000 & echo ready; wait"


def _gone(pid: int) -> bool:
    """Whether a process has ended; one that only waits to be collected by its parent has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


class Canary:
    """A namespace of the test's own, with one end of a cable whose other end is in a lab.

    When the kernel has removed the lab's namespace, and not before, the cable vanishes.
    """

    def __init__(self, lab_namespace: str) -> None:
        self.namespace = lab_kernel.new_network_namespace()
        link = f"link add canary type veth peer name canary netns {lab_namespace}\n"
        run_jobs([Job(self.namespace, "ip", link)])

    def sings(self) -> bool:
        with lab_kernel.inside(self.namespace):
            return "canary" in {name for _, name in socket.if_nameindex()}

    def close(self) -> None:
        os.close(self.namespace)


@pytest.mark.usefixtures("needs_lab")
def test_leaving_the_lab_leaves_nothing(eventually: Eventually) -> None:
    with Lab() as own:
        far = own.host("far", own.site("home"), delay=0.001)
        child = far.popen(["/bin/sh", "-c", FAMILY], stdout=subprocess.PIPE)
        assert child.stdout is not None
        with child.stdout as output:
            output.readline()
        pids = own.processes()
        assert len(pids) == 4
        assert child.pid in pids
        canary = Canary(f"/proc/{os.getpid()}/fd/{far.namespace}")
        assert canary.sings()
    assert own.processes() == []
    assert all(_gone(pid) for pid in pids)
    assert child.returncode == -signal.SIGKILL
    assert eventually(lambda: not canary.sings())
    canary.close()
    with pytest.raises(LabError, match="taken down"):
        own.up()


@pytest.mark.usefixtures("needs_lab")
def test_an_exception_leaves_nothing_either() -> None:
    with pytest.raises(ZeroDivisionError), Lab() as own:
        _start_and_fail(own)
    (child,) = own.hosts["cm"].children
    assert child.returncode == -signal.SIGKILL


def _start_and_fail(lab: Lab) -> None:
    lab.host("cm").popen(["sleep", "1000"])
    raise ZeroDivisionError


HOLDER = f"""
import sys
from glasnost.testing.lab import Lab, enter_user_namespace
enter_user_namespace()
with Lab() as lab:
    far = lab.host("far", delay=0.001)
    child = far.popen(["/bin/sh", "-c", {FAMILY!r}], stdout=-1)
    child.stdout.readline()
    print(far.namespace, *lab.processes(), flush=True)
    sys.stdin.read()
"""


@pytest.mark.usefixtures("needs_lab")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_lab_whose_process_is_killed_leaves_nothing(
    eventually: Eventually, number: signal.Signals
) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER],
        env={**os.environ, "PYTHONPATH": str(SRC)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with holder:
        assert holder.stdout is not None
        namespace, *pids = holder.stdout.readline().split()
        canary = Canary(f"/proc/{holder.pid}/fd/{namespace}")
        assert canary.sings()
        assert len(pids) == 4
        holder.send_signal(number)
        holder.wait()
    assert eventually(lambda: all(_gone(int(pid)) for pid in pids))
    assert eventually(lambda: not canary.sings())
    canary.close()


# --- ordinary users, and places where no lab can run ---------------------------------------------

ORDINARY = """
import os, socket
from glasnost.testing.lab import Lab, available, enter_user_namespace
assert os.geteuid() != 0
reason = available()
assert "enter_user_namespace" in reason, reason
enter_user_namespace()
assert available() is None, available()
with Lab() as lab:
    cm = lab.host("cm")
    home = lab.site("home", nat="random")
    node7 = lab.host("node7", home, delay=0.005, loss=0.001)
    with cm.inside():
        server = socket.create_server(("", 9618))
    with node7.inside():
        client = socket.create_connection((cm.ip4, 9618))
    accepted, peer = server.accept()
    assert peer[0] == home.ip4
    client.sendall(b"hello")
    assert accepted.recv(5, socket.MSG_WAITALL) == b"hello"
    assert node7.run(["true"]).returncode == 0
    assert node7.bytes_to(cm) > 0
print("worked")
"""


@pytest.fixture
def readable_copy() -> Iterator[Path]:
    """The lab's code where every user may read it: somebody's checkout may be closed to others."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        shutil.copytree(SRC / "glasnost" / "testing", path / "glasnost" / "testing")
        path.chmod(0o755)
        yield path


@pytest.mark.usefixtures("needs_lab")
def test_an_ordinary_user_gets_the_same_lab(readable_copy: Path) -> None:
    if not _is_root_of_the_machine():
        return  # the whole session is such a user's, which proves more than this test
    python = "/usr/bin/python3"
    too_old = "import sys; sys.exit(sys.version_info < (3, 11))"
    if not shutil.which("setpriv") or subprocess.run([python, "-c", too_old]).returncode:
        pytest.skip("needs setpriv, and a Python 3.11 that ordinary users may run")
    become = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    done = _python([*become, python, "-c", ORDINARY], readable_copy)
    assert done.stdout == "worked\n", done.stderr


def test_a_kernel_that_forbids_it_is_reported_with_what_would_help() -> None:
    """``unshare --user`` alone maps no user, and one without a number may make no namespaces."""
    ask = "from glasnost.testing.lab import *; print(available()); enter_user_namespace()"
    if not shutil.which("unshare"):
        pytest.skip("needs unshare")
    done = _python(["unshare", "--user", sys.executable, "-c", ask], SRC)
    assert "may not make network namespaces; run as root" in done.stdout, done.stderr
    last = done.stderr.splitlines()[-1]
    assert re.match(r".*LabUnavailable: the kernel does not let this user", last)


def test_a_process_with_threads_is_told_to_come_earlier(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lab_kernel, "may_make_namespaces", lambda: False)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(int).result()
        with pytest.raises(LabUnavailable, match=r"one thread .* unshare --map-root-user --net"):
            lab_kernel.enter_user_namespace()


def test_tools_are_found_where_they_were_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(LabUnavailable, match="'no-such-tool' is missing; install no-such-tool"):
        find("no-such-tool")
    tool = tmp_path / "no-such-tool"
    tool.touch(0o755)
    monkeypatch.setenv("GLASNOST_TOOLS_PATH", str(tmp_path))
    assert find("no-such-tool") == str(tool)


@pytest.mark.usefixtures("needs_lab")
def test_make_lab_runs_a_command_on_a_host() -> None:
    """The sample lab: the command runs on the host named, and its exit status is ours."""
    command = [sys.executable, "-m", "glasnost.testing.lab", "node9", "--run"]
    done = _python([*command, f"{find('ip')} -br addr; exit 7"], SRC)
    assert done.returncode == 7, done.stderr
    assert "192.168.1.2/24" in done.stdout
    assert "office" in done.stderr
    done = _python([*command[:-2], "nowhere", "--run", "true"], SRC)
    assert done.returncode == 2
    assert "no host 'nowhere' here; there are cm, six" in done.stderr


FAILING = """
def test_failing(lab):
    lab.host("cm", delay=0.01)
    assert False
"""


def _pytest(folder: Path, conftest: str, **environment: str) -> str:
    (folder / "test_it.py").write_text(FAILING)
    (folder / "conftest.py").write_text(conftest)
    plugin = ["-p", "glasnost.testing.lab.pytest_plugin", "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", "-ra", *plugin, "--rootdir", str(folder)]
    return str(_python([*command, str(folder)], SRC, **environment).stdout)


NOT_HERE = """
import pytest
@pytest.fixture(scope="session")
def lab_reason():
    return "no kernel today"
"""


@pytest.mark.usefixtures("needs_lab")
def test_a_failed_test_shows_its_topology(tmp_path: Path) -> None:
    assert "└─ cm     203.0.113.1  2001:db8:0:1::1  delay 10 ms" in _pytest(tmp_path, "")


def test_where_no_lab_can_run_tests_are_skipped_with_the_reason(tmp_path: Path) -> None:
    said = _pytest(tmp_path, NOT_HERE, CI="")
    assert "no lab can run here: no kernel today" in said
    assert "1 skipped" in said


def test_in_ci_no_lab_is_a_failure(tmp_path: Path) -> None:
    said = _pytest(tmp_path, NOT_HERE, CI="true")
    assert "no lab can run here, and CI is set: no kernel today" in said
    assert "skipped" not in said


def _is_root_of_the_machine() -> bool:
    return os.geteuid() == 0 and Path("/proc/self/uid_map").read_text().split()[2] == "4294967295"


def _python(command: list[str], path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    search = os.pathsep.join(filter(None, [str(path), os.environ.get("PYTHONPATH")]))
    env = {**os.environ, "PYTHONPATH": search, "PYTHONDONTWRITEBYTECODE": "1", **environment}
    return subprocess.run(command, env=env, capture_output=True, text=True, cwd="/")
