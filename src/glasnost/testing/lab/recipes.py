"""What ``ip`` and ``nft`` are told, for every part of a lab. Text only: tools.py runs it.

Every line may be run twice with the same result (``replace``), because a leg that is
plugged in again gets its lines once more.
"""

from __future__ import annotations

from glasnost.testing.lab.model import CORE4, CORE6, Leg, Network, routed_prefixes

# Sysctls of a namespace, before it has interfaces. Addresses are usable at once, not after a
# second of asking around (DAD); nothing configures itself; hosts with two legs may be answered on
# either.
SYSCTLS = {
    "net/ipv6/conf/all/accept_dad": 0,
    "net/ipv6/conf/default/accept_dad": 0,
    "net/ipv6/conf/default/accept_ra": 0,
    "net/ipv4/conf/all/rp_filter": 0,
    "net/ipv4/conf/default/rp_filter": 0,
    # Keep the kernel's own replies (unreachable, reset) prompt when many connections are refused.
    "net/ipv4/icmp_ratelimit": 0,
    "net/ipv6/icmp/ratelimit": 0,
}
NO_IP6 = {"net/ipv6/conf/all/disable_ipv6": 1, "net/ipv6/conf/default/disable_ipv6": 1}
FORWARDING = {"net/ipv4/ip_forward": 1, "net/ipv6/conf/all/forwarding": 1}

# The real internet carries no private addresses and says nothing about it: they vanish. Unused
# public addresses have no route, and are answered with "unreachable".
_PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fd00::/8")
CORE = "link set lo up\n" + "".join(f"route replace blackhole {prefix}\n" for prefix in _PRIVATE)


def inside_bridge(site: Network) -> str:
    """The local network of a site: a bridge on its router, with a port for each host."""
    lines = [
        "link set lo up",
        "link add lan type bridge forward_delay 0 mcast_snooping 0",
        "link set lan up",
    ]
    if site.inside4 is not None:
        lines.append(f"addr replace {site.inside4[1]}/{site.inside4.prefixlen} dev lan")
    if site.inside6 is not None:
        lines.append(f"addr replace {CORE6}/64 dev lan nodad")
        lines.append(f"addr replace {site.inside6[1]}/{site.inside6.prefixlen} dev lan nodad")
    return "\n".join(lines) + "\n"


def port_lines(leg: Leg, behind: Network | None) -> str:
    """The network's end of a leg; ``behind`` is the site, if the leg is that of a router."""
    port = leg.port
    if not leg.network.is_internet:
        return f"link set {port} master lan up\n"
    lines = [f"link set {port} up"]
    if leg.ip4 is not None:
        lines += [f"addr replace {CORE4}/32 dev {port}", f"route replace {leg.ip4}/32 dev {port}"]
    if leg.ip6 is not None:
        lines += [
            f"addr replace {CORE6}/64 dev {port} nodad",
            f"route replace {leg.ip6}/128 dev {port}",
        ]
    for prefix in routed_prefixes(behind) if behind is not None else []:
        via = leg.ip4 if prefix.version == 4 else leg.ip6
        lines.append(f"route replace {prefix} via {via} dev {port}")
    return "\n".join(lines) + "\n"


def leg_lines(leg: Leg) -> str:
    """The node's end of a leg: its addresses, and on the main leg the default route."""
    name, network = leg.interface, leg.network
    bits4 = 32 if network.inside4 is None else network.inside4.prefixlen
    bits6 = 128 if network.inside6 is None else network.inside6.prefixlen
    lines = ["link set lo up", f"link set {name} up"]
    if leg.ip4 is not None:
        gateway = CORE4 if network.inside4 is None else network.inside4[1]
        lines.append(f"addr replace {leg.ip4}/{bits4} dev {name}")
        if network.is_internet:
            lines.append(f"route replace {gateway} dev {name} scope link")
        if leg.main:
            lines.append(f"route replace default via {gateway} dev {name}")
    if leg.ip6 is not None:
        lines.append(f"addr replace {leg.ip6}/{bits6} dev {name} nodad")
        if leg.main:
            lines.append(f"route replace default via {CORE6} dev {name}")
    return "\n".join(lines) + "\n"


# Counting is by address and not by connection: the sets grow an entry for each address seen.
HOST_RULES = """\
table inet lab {
  set in4 { type ipv4_addr; size 65535; flags dynamic; }
  set in6 { type ipv6_addr; size 65535; flags dynamic; }
  set out4 { type ipv4_addr; size 65535; flags dynamic; }
  set out6 { type ipv6_addr; size 65535; flags dynamic; }
  chain count_in {
    type filter hook input priority -10;
    iifname "lo" accept
    ip protocol tcp update @in4 { ip saddr counter }
    ip6 nexthdr tcp update @in6 { ip6 saddr counter }
  }
  chain count_out {
    type filter hook output priority 10;
    oifname "lo" accept
    ip protocol tcp update @out4 { ip daddr counter }
    ip6 nexthdr tcp update @out6 { ip6 daddr counter }
  }
  chain input { type filter hook input priority 0; }
  chain output { type filter hook output priority 0; }
}
"""


def site_rules(site: Network) -> str:
    """NAT and firewall of a site's router. A connection begun inside is always let back in."""
    refusals = {
        "drop": ['iifname "wan" drop'],
        "reject": ['iifname "wan" meta l4proto tcp reject with tcp reset', 'iifname "wan" reject'],
        "accept": [],
    }[site.inbound]
    neighbours = "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept"
    guard = ["ct state established,related accept", "ct status dnat accept", *refusals]
    hide = []
    if site.nat is not None and site.inside4 is not None:
        kind = {"masquerade": "masquerade", "random": "masquerade fully-random"}[site.nat]
        hide.append(f'oifname "wan" ip saddr {site.inside4} {kind}')
    chains = {
        "forward": ("filter hook forward priority -10", []),
        "guard_forward": ("filter hook forward priority 0", guard),
        "guard_input": ("filter hook input priority 0", [neighbours, *guard]),
        "input": ("filter hook input priority -10", []),
        "output": ("filter hook output priority 0", []),
        "hide": ("nat hook postrouting priority 100", hide),
        "publish": ("nat hook prerouting priority -100", []),
    }
    text = "table inet lab {\n"
    for name, (place, rules) in chains.items():
        body = "".join(f"    {rule}\n" for rule in rules)
        text += f"  chain {name} {{\n    type {place};\n{body}  }}\n"
    return text + "}\n"


def loss_rules(device: str, loss: float) -> str:
    """Drop a share of what arrives at an interface.

    Neighbour discovery is spared: it tries again only after a second, which no real cable costs.
    """
    share = round(loss * 1_000_000)
    return f"""\
table netdev lab_{device} {{
  chain lose {{
    type filter hook ingress device "{device}" priority 0;
    icmpv6 type {{ nd-neighbor-solicit, nd-neighbor-advert }} accept
    meta protocol {{ ip, ip6 }} numgen random mod 1000000 < {share} counter drop
  }}
}}
"""
