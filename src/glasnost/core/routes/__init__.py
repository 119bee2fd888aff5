"""Choosing a path: facts in, an explained answer out.

Never probes and never imports a stage: what it must know of a stage kind is a `Traits`.
"""

from glasnost.core.routes.explain import Plan
from glasnost.core.routes.order import RULES, decided_by
from glasnost.core.routes.path import Crossing, Path, Policy, Rejected, Target
from glasnost.core.routes.plan import plan
from glasnost.core.routes.traits import Role, Traits, Way
from glasnost.core.routes.vantage import Exit, Vantage

__all__ = [
    "RULES",
    "Crossing",
    "Exit",
    "Path",
    "Plan",
    "Policy",
    "Rejected",
    "Role",
    "Target",
    "Traits",
    "Vantage",
    "Way",
    "decided_by",
    "plan",
]
