"""Carries a description out in the kernel, and takes it back.

Namespaces first, then all cables, then all addresses and rules: three rounds, in each of which
every namespace is worked on at the same time. Nothing here decides; recipes.py has the words.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from glasnost.testing.lab import delay, kernel, recipes, warden
from glasnost.testing.lab.kernel import LabError
from glasnost.testing.lab.model import Leg, Network
from glasnost.testing.lab.nodes import Node, Site
from glasnost.testing.lab.tools import Job, run_jobs

_PAUSE = 0.001  # between looks at a link that is coming up, which takes about as long
_LINK_TIMEOUT = 10.0  # a loaded machine needs a second at most


class Batch:
    """Texts for the tools, gathered by namespace, so that each tool starts once in each."""

    def __init__(self) -> None:
        self._texts: dict[tuple[int, str], str] = {}

    def add(self, namespace: int, tool: str, text: str) -> None:
        key = (namespace, tool)
        self._texts[key] = self._texts.get(key, "") + text

    def run(self) -> None:
        run_jobs(Job(namespace, tool, text) for (namespace, tool), text in self._texts.items())


def _script(module_file: str | None, *arguments: str) -> list[str]:
    """Start one of our scripts, without the Python settings meant for the programs tested."""
    assert module_file is not None
    return [sys.executable, "-I", "-S", str(Path(module_file).resolve()), *arguments]


class Kernel:
    """The part of a lab that exists in the kernel: namespaces, cables, helper processes."""

    def __init__(self) -> None:
        self._inodes: set[int] = set()
        self._descriptors: list[int] = []
        self._helpers: list[subprocess.Popen[str]] = []
        self._cable_count = 0
        self._warden = subprocess.Popen(
            _script(warden.__file__, str(os.getpid())),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd="/",
            start_new_session=True,  # Ctrl-C is for the lab; the warden works when the lab has gone
        )
        try:
            self.core = self._namespace(recipes.SYSCTLS | recipes.FORWARDING)
            self._cables = self._namespace(recipes.NO_IP6)
            run_jobs([Job(self.core, "ip", recipes.CORE)])
        except BaseException:
            self.close()
            raise

    def _namespace(self, settings: Mapping[str, int]) -> int:
        descriptor = kernel.new_network_namespace()
        self._descriptors.append(descriptor)
        inode = os.fstat(descriptor).st_ino
        self._inodes.add(inode)
        assert self._warden.stdin is not None
        self._warden.stdin.write(f"{inode}\n")
        self._warden.stdin.flush()
        with kernel.inside(descriptor):
            for name, value in settings.items():
                kernel.set_sysctl(name, value)
        return descriptor

    def build(self, nodes: Iterable[Node], sites: Mapping[str, Site]) -> None:
        """Build nodes that are not there yet. ``sites`` are all of the lab, by name."""
        new = list(nodes)
        links, rest = Batch(), Batch()
        for node in new:
            router = isinstance(node, Site)
            forwarding = recipes.FORWARDING if router else {}
            node.descriptor = self._namespace(recipes.SYSCTLS | forwarding)
            if isinstance(node, Site):
                links.add(node.descriptor, "ip", recipes.inside_bridge(node.network))
                rest.add(node.descriptor, "nft", recipes.site_rules(node.network))
            else:
                rest.add(node.descriptor, "nft", recipes.HOST_RULES)
        legs = [(node, leg) for node in new for leg in node.legs]
        for node, leg in legs:
            self._lay(links, node.descriptor, leg, self._router(leg.network, sites))
        links.run()
        self._carry([leg for _, leg in legs if leg.cable])
        for node, leg in legs:
            self._configure(rest, node, leg, self._router(leg.network, sites))
        rest.run()
        for node, leg in legs:
            self._wait_for(node.descriptor, leg.interface)
            self._wait_for(self._router(leg.network, sites), leg.port)
            if not leg.network.is_internet:
                self._wait_for(self._router(leg.network, sites), "lan")

    def _wait_for(self, namespace: int, interface: str) -> None:
        end = time.monotonic() + _LINK_TIMEOUT
        with kernel.inside(namespace):
            while not kernel.running(interface):
                if time.monotonic() > end:
                    raise LabError(f"the link {interface} does not come up")
                time.sleep(_PAUSE)

    def _router(self, network: Network, sites: Mapping[str, Site]) -> int:
        return self.core if network.is_internet else sites[network.name].descriptor

    def _lay(self, links: Batch, node: int, leg: Leg, router: int) -> None:
        """A leg's cable: a veth pair; with a delay two, whose far ends the delay process joins."""
        if not leg.delay:
            far_end = f"peer name {leg.interface} netns {_path(node)}"
            links.add(router, "ip", f"link add {leg.port} type veth {far_end}\n")
            return
        self._cable_count += 1
        leg.cable = str(self._cable_count)
        for near, name, where in (("a", leg.port, router), ("b", leg.interface, node)):
            near += leg.cable
            lines = [
                f"link add {near} type veth peer name {name} netns {_path(where)}",
                f"link set {near} up",
            ]
            links.add(self._cables, "ip", "\n".join(lines) + "\n")

    def _configure(self, rest: Batch, node: Node, leg: Leg, router: int) -> None:
        behind = node.network if isinstance(node, Site) else None
        rest.add(router, "ip", recipes.port_lines(leg, behind))
        rest.add(node.descriptor, "ip", recipes.leg_lines(leg))
        if leg.loss:
            rest.add(router, "nft", recipes.loss_rules(leg.port, leg.loss))
            rest.add(node.descriptor, "nft", recipes.loss_rules(leg.interface, leg.loss))

    def _carry(self, legs: list[Leg]) -> None:
        """Start the process that holds packets back on these cables, and wait until it listens."""
        if not legs:
            return
        words = [
            word for leg in legs for word in (f"a{leg.cable}", f"b{leg.cable}", str(leg.delay))
        ]
        with kernel.inside(self._cables):
            helper = subprocess.Popen(
                _script(delay.__file__, *words),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
        self._helpers.append(helper)
        assert helper.stdout is not None
        assert helper.stderr is not None
        if helper.stdout.readline() != "ready\n":
            raise LabError(f"the delay process failed: {helper.stderr.read().strip()}")

    def plug(self, node: Node, leg: Leg, sites: Mapping[str, Site], *, plugged: bool) -> None:
        """Take the far end of a leg up or down; with a delay, the one that the node sees."""
        state = "up" if plugged else "down"
        if leg.cable:
            run_jobs([Job(self._cables, "ip", f"link set b{leg.cable} {state}\n")])
        else:
            behind = node.network if isinstance(node, Site) else None
            again = recipes.port_lines(leg, behind) if plugged else ""
            router = self._router(leg.network, sites)
            run_jobs([Job(router, "ip", f"link set {leg.port} {state}\n{again}")])
            if plugged:
                self._wait_for(router, leg.port)
        if plugged:
            self._wait_for(node.descriptor, leg.interface)

    def processes(self) -> list[int]:
        """Process ids inside, without our own helpers."""
        helpers = {helper.pid for helper in self._helpers}
        found = warden.processes_in(self._inodes, except_for=os.getpid())
        return [pid for pid in found if pid not in helpers]

    def close(self) -> None:
        """Kill every process inside and let go of the namespaces; the kernel removes them then."""
        warden.kill_all(self._inodes, except_for=os.getpid())
        for helper in self._helpers:
            helper.communicate()
        for descriptor in self._descriptors:
            os.close(descriptor)
        self._descriptors.clear()
        assert self._warden.stdin is not None
        self._warden.stdin.close()
        self._warden.wait()


def _path(descriptor: int) -> str:
    """A namespace as ``ip`` can open it, also from another process."""
    return f"/proc/{os.getpid()}/fd/{descriptor}"
