"""The tools a lab is built with, ``ip`` and ``nft``: find them, feed them, say what is missing."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass

from glasnost.testing.lab.kernel import (
    LabError,
    LabUnavailable,
    inside,
    new_network_namespace,
    set_sysctl,
)

# What a lab needs of nftables, loaded once into an empty namespace to see whether it is all there.
_TRIAL = """\
table inet trial {
  set seen { type ipv4_addr; size 16; flags dynamic; }
  chain count {
    type filter hook input priority -10;
    ip protocol tcp update @seen { ip saddr counter }
  }
  chain hide { type nat hook postrouting priority 100; oifname "wan" masquerade fully-random; }
  chain guard { type filter hook forward priority 0; ct state established accept; reject; }
}
table netdev trial {
  chain lose {
    type filter hook ingress device "lo" priority 0;
    numgen random mod 1000 < 1 counter drop
  }
}
"""


@dataclass(frozen=True)
class Job:
    """Commands for one tool to read on its standard input, in one namespace."""

    namespace: int
    tool: str
    text: str

    def arguments(self) -> list[str]:
        if self.tool == "ip":
            return [find("ip"), "-batch", "-"]
        return [find("nft"), "-f", "-"]


def find(tool: str) -> str:
    """Path of a tool; ordinary users may lack /usr/sbin in PATH, or have unpacked the tools."""
    own = os.environ.get("GLASNOST_TOOLS_PATH", "")
    places = [own, os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"]
    found = shutil.which(tool, path=os.pathsep.join(place for place in places if place))
    if found is None:
        package = {"ip": "iproute2", "nft": "nftables"}.get(tool, tool)
        raise LabUnavailable(
            f"the program {tool!r} is missing; install {package}, "
            "or name its folder in GLASNOST_TOOLS_PATH"
        )
    return found


def run_jobs(jobs: Iterable[Job]) -> None:
    """Run all jobs at the same time; the first that fails is raised with what the tool said."""
    running: list[tuple[Job, subprocess.Popen[str]]] = []
    for job in jobs:
        with inside(job.namespace):
            process = subprocess.Popen(
                job.arguments(),
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
        running.append((job, process))
        _feed(process, job.text)
    failures = []
    for job, process in running:
        _, said = process.communicate()
        if process.returncode != 0:
            failures.append(f"{job.tool} refused: {said.strip()}\n{job.text}")
    if failures:
        raise LabError(failures[0])


def _feed(process: subprocess.Popen[str], text: str) -> None:
    assert process.stdin is not None
    try:
        process.stdin.write(text)
        process.stdin.flush()
    except BrokenPipeError:
        pass  # the tool gave up early; its exit status and its words are looked at later
    try:
        process.stdin.close()
    except BrokenPipeError:
        pass
    process.stdin = None  # communicate() would use it again


def ask_nft(namespace: int, arguments: list[str]) -> str:
    """Standard output of one ``nft`` question."""
    with inside(namespace):
        done = subprocess.run([find("nft"), *arguments], capture_output=True, text=True)
    if done.returncode != 0:
        raise LabError(f"nft {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def available() -> str | None:
    """Why a lab cannot run in this process, or None if it can; found out by trying."""
    try:
        find("ip")
        find("nft")
        namespace = new_network_namespace()
    except LabUnavailable as error:
        return str(error)
    except PermissionError:
        return (
            "this process may not make network namespaces; run as root, or call "
            "glasnost.testing.lab.enter_user_namespace() before any thread starts"
        )
    try:
        with inside(namespace):
            set_sysctl("net/ipv4/ip_forward", 1)
        run_jobs(
            [
                Job(namespace, "nft", _TRIAL),
                Job(namespace, "ip", "link add trial type veth peer name other\n"),
            ]
        )
    except (OSError, LabError) as error:
        return f"this kernel lacks something a lab needs: {error}"
    finally:
        os.close(namespace)
    return None
