"""Choosing a path: facts in, an explained answer out.

Never probes and never imports a stage: what it must know of a stage kind is a `Traits`.
"""

from glasnost.core.routes.endpoint import Endpoint
from glasnost.core.routes.explain import Plan
from glasnost.core.routes.history import NOTHING, History, Outcome
from glasnost.core.routes.match import Verdict, can_reach
from glasnost.core.routes.matrix import Matrix, reach_matrix
from glasnost.core.routes.order import RULES
from glasnost.core.routes.path import Crossing, Path, Rejected, Target
from glasnost.core.routes.plan import plan
from glasnost.core.routes.policy import Policy
from glasnost.core.routes.trace import Mark, Span, Trace
from glasnost.core.routes.traits import Role, Traits, Way
from glasnost.core.routes.vantage import Exit, Vantage

__all__ = [
    "NOTHING",
    "RULES",
    "Crossing",
    "Endpoint",
    "Exit",
    "History",
    "Mark",
    "Matrix",
    "Outcome",
    "Path",
    "Plan",
    "Policy",
    "Rejected",
    "Role",
    "Span",
    "Target",
    "Trace",
    "Traits",
    "Vantage",
    "Verdict",
    "Way",
    "can_reach",
    "plan",
    "reach_matrix",
]
