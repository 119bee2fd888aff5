"""The lab: a small internet of real kernels, real NAT and real firewalls, in a few lines.

>>> with Lab() as lab:                                # doctest: +SKIP
...     cm = lab.host("cm")
...     home = lab.site("home", nat="masquerade", inbound="drop")
...     node7 = lab.host("node7", home)
...     with node7.inside():
...         socket.create_connection((cm.ip4, 9618))
...     print(lab)

Hosts are Linux network namespaces; the programs on them are ordinary processes that share this
machine's files. Nothing in a lab is connected to the machine's network, and nothing of it stays
behind, however its process ends. It runs as root, or as an ordinary user after
`enter_user_namespace`. `docs/howto/lab.md` shows more; ``python -m glasnost.testing.lab`` is a lab
to walk around in.

kernel · namespaces        model · addresses, who sees whom      recipes · words for ip and nft
tools · ip and nft         nodes · hosts and sites               build · from description to kernel
delay, warden · helper processes        lab, draw · what users hold and see
"""

from glasnost.testing.lab.kernel import LabError, LabUnavailable, enter_user_namespace
from glasnost.testing.lab.lab import Lab
from glasnost.testing.lab.nodes import Host, Node, Site
from glasnost.testing.lab.tools import available

__all__ = [
    "Host",
    "Lab",
    "LabError",
    "LabUnavailable",
    "Node",
    "Site",
    "available",
    "enter_user_namespace",
]
