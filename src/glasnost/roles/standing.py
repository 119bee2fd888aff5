"""Where a program stands when it connects: what it reaches, and what it has for crossing stages."""

from __future__ import annotations

from typing import NamedTuple

from glasnost.core.routes import Plan, Target, Vantage, plan
from glasnost.net.interfaces import read_host
from glasnost.roles.agent.clients import allowed_users
from glasnost.roles.experience import Experience
from glasnost.roles.vantage import vantage_of
from glasnost.settings import Settings, run_directory
from glasnost.stages import Means, traits


class Standing(NamedTuple):
    """All that `dialler.connect` must know of who connects. ``experience`` outlives it."""

    vantage: Vantage
    means: Means
    experience: Experience

    def plan(self, target: Target) -> Plan:
        """What would be tried to reach a target, and why."""
        settings, known = self.means.settings, self.experience
        return plan(
            self.vantage,
            target,
            settings.policy(),
            known.history,
            known.now(),
            kinds=traits(settings),
        )


def alone(settings: Settings, experience: Experience) -> Standing:
    """Of a program on a host that has no agent and has joined no pool: it has no return routes,
    and brokers of ours do not know it."""
    means = Means(
        socket_owners=allowed_users(),
        socket_directories=frozenset({str(run_directory(settings).resolve())}),
        settings=settings,
    )
    return Standing(vantage_of(read_host(), settings), means, experience)
