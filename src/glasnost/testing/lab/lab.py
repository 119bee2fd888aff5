"""The lab as its users see it: describe, use, leave."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from glasnost.testing.lab import model
from glasnost.testing.lab.build import Kernel
from glasnost.testing.lab.draw import draw
from glasnost.testing.lab.kernel import LabError, LabUnavailable
from glasnost.testing.lab.model import Inbound, Leg, Nat, Network, attach
from glasnost.testing.lab.nodes import Host, Node, Site
from glasnost.testing.lab.tools import available


class Lab:
    """A small internet: describe sites and hosts, use them, leave the ``with`` block.

    It is built when it is first used, and what is described later is added. When the block is
    left, or when this process dies in any way, its processes are killed and the kernel removes the
    rest.
    """

    def __init__(self) -> None:
        self.internet = Network("internet")
        self.hosts: dict[str, Host] = {}
        self.sites: dict[str, Site] = {}
        self._waiting: list[Node] = []
        self._kernel: Kernel | None = None
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.down()

    def __str__(self) -> str:
        return self.topology()

    def topology(self) -> str:
        """The lab as a tree: networks, hosts, addresses, policies."""
        return draw(self.internet, self.hosts, self.sites)

    def site(
        self,
        name: str,
        at: Site | None = None,
        *,
        nat: Nat | None = "masquerade",
        inbound: Inbound = "drop",
        ip4: str | None = "192.168.1.0/24",
        ip6: bool | str = False,
        delay: float = 0.0,
        loss: float = 0.0,
    ) -> Site:
        """A router and the network behind it.

        Its IPv4 hides behind the router, keeping ports (``masquerade``) or not (``random``);
        ``nat=None`` gives public addresses inside instead. What is begun outside is dropped,
        rejected or accepted, by the router for itself too. ``ip6=True`` gives the inside a public
        /64, a text a private prefix. ``at`` puts the router into another site, like a provider with
        a NAT of its own. Delay and loss are those of the router's leg.
        """
        self._check_name(name)
        number = len(self.sites) + 1
        four, six = model.inside4(ip4, nat, number), model.inside6(ip6, number)
        network = Network(name, four, six, nat, inbound)
        if at is not None and model.routed_prefixes(network):
            raise LabError(f"{name}: only a site directly on the internet has public addresses")
        leg = attach(
            name,
            at.network if at else self.internet,
            interface="wan",
            router=True,
            delay=delay,
            loss=loss,
        )
        network.wan = leg
        site = Site(network, [leg], self)
        self.sites[name] = site
        self._waiting.append(site)
        return site

    def host(
        self,
        name: str,
        site: Site | None = None,
        *,
        ip4: bool = True,
        ip6: bool = True,
        public: bool = False,
        delay: float = 0.0,
        loss: float = 0.0,
    ) -> Host:
        """A host on the internet or in a site; ``public=True`` puts it on both.

        It has those protocols that are wanted and that its network has. ``delay`` is in seconds
        one way, ``loss`` the share of packets lost in each direction; both apply to the first leg.
        On both networks, its default route leads straight to the internet.
        """
        self._check_name(name)
        if public and site is None:
            raise LabError(f"{name}: a host without a site is on the internet already")
        network = site.network if site else self.internet
        legs = [attach(name, network, ip4=ip4, ip6=ip6, main=not public, delay=delay, loss=loss)]
        if public:
            legs.append(attach(name, self.internet, interface="eth1", ip4=ip4, ip6=ip6))
        host = Host(name, legs, self)
        self.hosts[name] = host
        self._waiting.append(host)
        return host

    def _check_name(self, name: str) -> None:
        if name in self.hosts or name in self.sites or name == self.internet.name:
            raise LabError(f"there is a {name} in this lab already")

    def up(self) -> None:
        """Build what has been described and is not built yet; using a host does it by itself."""
        if self._closed:
            raise LabError("this lab has been taken down")
        if self._kernel is None:
            reason = available()
            if reason is not None:
                raise LabUnavailable(reason)
            self._kernel = Kernel()
        if self._waiting:
            new, self._waiting = self._waiting, []
            self._kernel.build(new, self.sites)

    def down(self) -> None:
        """Kill every process in the lab and remove it; a lab is not built twice."""
        self._closed = True
        if self._kernel is None:
            return
        running, self._kernel = self._kernel, None
        running.close()
        for node in (*self.hosts.values(), *self.sites.values()):
            for child in node.children:
                child.wait()

    def plug(self, leg: Leg, *, plugged: bool) -> None:
        """Put the cable of a leg in, or pull it; tests say ``host.unplug()``."""
        self.up()
        assert self._kernel is not None
        node = self.hosts.get(leg.owner) or self.sites[leg.owner]
        self._kernel.plug(node, leg, self.sites, plugged=plugged)
        leg.plugged = plugged

    def processes(self) -> list[int]:
        """Process ids of everything that runs in the lab's networks."""
        return [] if self._kernel is None else self._kernel.processes()
