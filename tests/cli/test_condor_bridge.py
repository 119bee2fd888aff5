"""``glasnost condor bridge`` and ``matrix``, as a user types them."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator

import pytest

from glasnost.condor.classad import Ad
from tests.cli.conftest import Shell
from tests.condor.bridge.ads import ad, collector
from tests.condor.daemon import Daemon, answering, beside

STARTD = ad("StartD", "host7.example.org", "<10.0.0.7:9618?sock=startd_1>")


@pytest.fixture
def schedd() -> Iterator[int]:
    """A daemon that says who it is to whoever connects; its port, without a shared one."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    sock, _ = listener.accept()
                except OSError:
                    return
                with sock:
                    sock.sendall(b"I am the schedd\n")

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def pool_of(*ads: Ad) -> Iterator[Daemon]:
    with beside(lambda: Daemon(answering(ads))) as one:
        yield one


@pytest.fixture
def pool(schedd: int) -> Iterator[Daemon]:
    mine = ad(address=f"<127.0.0.1:{schedd}>", Name="submit1.example.org")
    odd = ad("Negotiator", "cm.example.org", "<nonsense:x>")
    yield from pool_of(collector(), mine, STARTD, odd)


CONDOR = {"CONDOR_CONFIG": "ONLY_ENV"}


def test_a_pool_is_bridged_listed_explained_and_connected_to(host: Shell, pool: Daemon) -> None:
    words = ("condor", "bridge", "--pool", f"127.0.0.1:{pool.port}", "--network", "site")
    here = host.at(host.home, **CONDOR)
    with here.running(*words, "--verbose", ready="ROLE-NAME.cm") as bridge:
        names = ("collector-pool-cm_example_org-4d0086cad3.cm", "startd-host7_example_org.cm")
        host.until_listed("schedd-submit1_example_org.cm", *names)
        told = json.loads(host.run("lookup", "schedd-submit1_example_org.cm", "--json").out)
        assert told["protection"] == "plain" and told["labels"]["role"] == "schedd"
        assert told["labels"]["condor"] == "submit1.example.org"
        done = host.run("explain", "startd-host7_example_org.cm")
        assert "this host is not on the network site" in " ".join((done.out + done.err).split())
        done = host.run("connect", "schedd-submit1_example_org.cm")
        assert (done.status, done.out) == (0, "I am the schedd\n")
        done = host.run("match", "--selector", "role=schedd", "--selector", "role=startd")
        assert done.status == 0 and "1 pair" in done.out
    assert bridge.process.returncode == 0
    assert any("negotiator cm.example.org: its address" in line for line in bridge.lines)
    names_left = host.run("ls").out
    assert "schedd-" not in names_left, "what it published goes with it"


def test_a_pool_that_is_away_is_looked_for(host: Shell) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        place = f"127.0.0.1:{gone.getsockname()[1]}"
    here = host.at(host.home, **CONDOR)
    with here.running("condor", "bridge", "--pool", place, ready="ROLE-NAME") as bridge:
        line = bridge.until("the collector does not answer")
        assert "connection refused" in line


WRONG = [
    ("no pool", (), 1, "which pool?"),
    ("no address", ("--pool", "<x"), 1, "expected"),
    ("no expression", ("--pool", "cm", "--constraint", "(("), 2, "--constraint"),
    ("no network", ("--pool", "cm", "--network", "public"), 1, "no private network's name"),
    ("no role", ("--pool", "cm", "--role", "cook"), 2, "cook"),
]


@pytest.mark.parametrize(
    ("words", "status", "says"), [one[1:] for one in WRONG], ids=[one[0] for one in WRONG]
)
def test_what_cannot_be_bridged_is_said_in_a_sentence(
    fresh: Shell, words: tuple[str, ...], status: int, says: str
) -> None:
    fresh.run("condor", "bridge", *words, **CONDOR).failed(status, says)


def test_a_bridge_needs_a_place_in_a_pool_of_ours(fresh: Shell) -> None:
    fresh.run("condor", "bridge", "--pool", "127.0.0.1:1", **CONDOR).failed(1, "agent")


# --- the matrix -----------------------------------------------------------------------------------

BROKER = "128.105.1.1:9618%3fsock%3dcollector"


@pytest.fixture
def divided(schedd: int) -> Iterator[Daemon]:
    """An IPv4-only access point, and execution points of every sort."""
    yield from pool_of(
        collector(),
        ad(),
        ad("StartD", "open.example.org", "<128.105.2.1:9618?sock=startd_1>"),
        ad("StartD", "six.example.org", "<[2607:f388::7]:9618?addrs=[2607-f388--7]-9618>"),
        ad("StartD", "lost.example.org", "<10.0.0.7:9618?sock=startd_1>"),
        ad("StartD", "kept.example.org", f"<10.0.0.8:9618?CCBID={BROKER}#7&sock=startd_1>"),
    )


def test_the_matrix_says_who_is_cut_off_and_why(fresh: Shell, divided: Daemon) -> None:
    done = fresh.run("condor", "matrix", "--pool", f"127.0.0.1:{divided.port}", **CONDOR)
    assert done.status == 0
    assert "schedd submit1.example.org does not reach startd six.example.org\n" in done.out
    assert "schedd submit1.example.org does not reach startd lost.example.org\n" in done.out
    assert "reach startd open" not in done.out and "reach startd kept" not in done.out
    assert "S to T: 4 pairs: 2 yes, 0 maybe, 2 no" in done.out
    told = " ".join(done.out.split())
    assert "this host has no IPv6 there" in told
    assert "this host is not on the network 127.0.0.1" in told
    assert "a broker for T2 that is met on ip4@public" in told
    assert "are taken to be on one network, 127.0.0.1" in done.err


def test_the_matrix_in_json_names_all(fresh: Shell, divided: Daemon) -> None:
    place = f"127.0.0.1:{divided.port}"
    done = fresh.run("condor", "matrix", "--pool", place, "--json", "--network", "site", **CONDOR)
    (section,) = json.loads(done.out)
    assert section["relay"] is False
    assert section["forth"]["pairs"] == {"yes": 2, "maybe": 0, "no": 2}
    assert sorted(pair[1] for pair in section["forth"]["unreachable"]) == [
        "startd lost.example.org",
        "startd six.example.org",
    ]
    assert section["back"]["pairs"]["no"] == 1, "IPv6 alone reaches no IPv4"


def test_access_points_behind_brokers_have_them_relay(fresh: Shell) -> None:
    behind = f"<10.0.0.9:9618?CCBID={BROKER}#8&sock=schedd_1>"
    pool = pool_of(
        collector(),
        ad(address=behind),
        ad(name="old.example.org", address=behind, CondorVersion="$CondorVersion: 24.0.1 x $"),
        ad("StartD", "kept.example.org", f"<192.168.0.8:9618?CCBID={BROKER}#7&PrivNet=far>"),
    )
    one = next(pool)
    done = fresh.run("condor", "matrix", "--pool", f"127.0.0.1:{one.port}", "--json", **CONDOR)
    sections = json.loads(done.out)
    assert [(one["relay"], one["forth"]["pairs"]["yes"]) for one in sections] == [
        (False, 0),
        (True, 1),
    ]
    shown = fresh.run("condor", "matrix", "--pool", f"127.0.0.1:{one.port}", **CONDOR).out
    assert "schedds that have brokers relay:" in shown
    next(pool, None)


def test_a_pool_without_the_role_has_no_matrix(fresh: Shell, pool: Daemon) -> None:
    words = ("condor", "matrix", "--pool", f"127.0.0.1:{pool.port}", "--from", "credd")
    done = fresh.run(*words, **CONDOR)
    assert (done.status, done.out) == (0, "")
    assert "the pool has no credd that could reach a startd" in done.err
