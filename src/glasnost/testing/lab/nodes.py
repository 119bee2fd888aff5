"""Hosts and sites: what a test holds in its hands once it has described them.

Each is a network namespace with legs. Anything that needs the kernel builds the lab first,
so a description can be written in any order.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, Protocol

from glasnost.testing.lab import kernel
from glasnost.testing.lab.model import Leg, Network, seen_as
from glasnost.testing.lab.tools import Job, ask_nft, run_jobs

Hook = Literal["input", "output", "forward"]


class Builder(Protocol):
    """What nodes need of their lab."""

    def up(self) -> None:
        """Build what has been described and is not built yet."""

    def plug(self, leg: Leg, *, plugged: bool) -> None:
        """Put the cable of a leg in, or pull it."""


class Node:
    """Something with a network of its own: a host, or the router of a site."""

    def __init__(self, name: str, legs: list[Leg], lab: Builder) -> None:
        self.name = name
        self.legs = legs
        self.rules: list[str] = []
        self.children: list[subprocess.Popen[Any]] = []
        self.descriptor = -1
        self._lab = lab

    def __repr__(self) -> str:
        return f"<{type(self).__name__.lower()} {self.name}>"

    @property
    def namespace(self) -> int:
        """Descriptor of the network namespace; using it builds the lab."""
        self._lab.up()
        return self.descriptor

    @property
    def ip4(self) -> str | None:
        """IPv4 address of the leg with the default route: the public one, if there are two."""
        return next((str(leg.ip4) for leg in self.legs if leg.main and leg.ip4), None)

    @property
    def ip6(self) -> str | None:
        """IPv6 address of the leg with the default route: the public one, if there are two."""
        return next((str(leg.ip6) for leg in self.legs if leg.main and leg.ip6), None)

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Run the block with this thread in the node's network: sockets opened there belong to it.

        Other threads are not affected. No ``await`` in the block.
        """
        with kernel.inside(self.namespace):
            yield

    def popen(self, args: Sequence[str], **options: Any) -> subprocess.Popen[Any]:
        """`subprocess.Popen` inside. The process and all it starts die with the lab, if not before.

        It leads a session and process group of its own unless ``start_new_session=False``.
        """
        options.setdefault("start_new_session", True)
        with self.inside():
            process = subprocess.Popen(args, **options)
        self.children.append(process)
        return process

    def run(self, args: Sequence[str], **options: Any) -> subprocess.CompletedProcess[Any]:
        """`subprocess.run` inside."""
        with self.inside():
            return subprocess.run(args, **options)

    def firewall(self, rule: str, hook: Hook = "input") -> None:
        """Add a rule in nft's words, such as ``tcp dport 9618 drop``; see ``clear_firewall``.

        To refuse at once, add ``reject with tcp reset``: without latency, the ICMPv6 message of a
        bare ``reject`` comes before the caller's kernel can use it, and only the next one counts.
        """
        text = f"add rule inet lab {hook} {rule}\n"
        run_jobs([Job(self.namespace, "nft", text)])
        self.rules.append(rule if hook == "input" else f"{hook}: {rule}")

    def clear_firewall(self) -> None:
        """Remove what ``firewall`` added; a site's own policy stays."""
        text = "".join(f"flush chain inet lab {hook}\n" for hook in self._hooks())
        run_jobs([Job(self.namespace, "nft", text)])
        self.rules.clear()

    def _hooks(self) -> tuple[Hook, ...]:
        return ("input", "output")

    def unplug(self, network: str | None = None) -> None:
        """Pull the cable of all legs, or of the one on a network.

        The interface loses its carrier and keeps its addresses, and what is sent gets lost.
        """
        self._plug(network, plugged=False)

    def plug(self, network: str | None = None) -> None:
        """Put the cable back."""
        self._plug(network, plugged=True)

    def _plug(self, network: str | None, *, plugged: bool) -> None:
        self._lab.up()
        legs = [leg for leg in self.legs if network in (None, leg.network.name)]
        if not legs:
            raise kernel.LabError(f"{self.name} has no leg on a network called {network}")
        for leg in legs:
            self._lab.plug(leg, plugged=plugged)


class Host(Node):
    """A machine on the internet, in a site, or both. It counts its TCP traffic by address."""

    def counters(self) -> dict[str, tuple[int, int]]:
        """TCP bytes, IP headers included, by remote address as seen from here: (in, out)."""
        listing = json.loads(ask_nft(self.namespace, ["-j", "list", "sets", "inet"]))
        counted = {"in": dict[str, int](), "out": dict[str, int]()}
        for entry in listing["nftables"]:
            for element in entry.get("set", {}).get("elem", []):
                value = element["elem"]
                direction = entry["set"]["name"].rstrip("46")
                counted[direction][value["val"]] = value["counter"]["bytes"]
        into, out = counted["in"], counted["out"]
        return {a: (into.get(a, 0), out.get(a, 0)) for a in sorted({*into, *out})}

    def bytes_from(self, other: Node) -> int:
        """TCP bytes that came from the other node, under any address it has as seen from here.

        A node behind a NAT appears under its router's address, together with all others behind it.
        """
        return sum(pair[0] for pair in self._exchanged(other))

    def bytes_to(self, other: Node) -> int:
        """TCP bytes that went to the other node; addresses as in ``bytes_from``."""
        return sum(pair[1] for pair in self._exchanged(other))

    def _exchanged(self, other: Node) -> Iterable[tuple[int, int]]:
        seen = {address for leg in other.legs for address in seen_as(leg, self.legs)}
        return [pair for address, pair in self.counters().items() if address in seen]

    def reset_counters(self) -> None:
        """Count from zero again."""
        names = ("in4", "in6", "out4", "out6")
        text = "".join(f"flush set inet lab {name}\n" for name in names)
        run_jobs([Job(self.namespace, "nft", text)])


class Site(Node):
    """A router on the internet (or in another site) and the private network behind it."""

    def __init__(self, network: Network, legs: list[Leg], lab: Builder) -> None:
        super().__init__(network.name, legs, lab)
        self.network = network

    def _hooks(self) -> tuple[Hook, ...]:
        return ("input", "output", "forward")

    def publish(self, port: int, host: Host, to: int | None = None) -> None:
        """Forward a TCP port of the router to a host inside, as people set up by hand."""
        target = next(leg.ip4 for leg in host.legs if leg.network is self.network)
        rule = f'iifname "wan" tcp dport {port} dnat ip to {target}:{to or port}'
        run_jobs([Job(self.namespace, "nft", f"add rule inet lab publish {rule}\n")])
        self.rules.append(f"port {port} to {host.name}:{to or port}")
