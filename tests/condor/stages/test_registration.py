"""HTCondor's stages are in the table of kinds, and cost nothing until one is crossed."""

from __future__ import annotations

import subprocess
import sys

from glasnost.condor.stages import KINDS as HTCONDOR
from glasnost.core.address import Route
from glasnost.core.routes.usable import why_unusable
from glasnost.stages import KINDS, crosses, kinds, ours, register, traits

LIGHT = """
import sys
import {module}
from glasnost.stages import crosses, traits

assert crosses("condor.sock") and "condor.sock" in traits()
print(*[name for name in sys.modules if name.startswith("glasnost.condor")])
"""


def test_whoever_puts_programs_together_has_them() -> None:
    """And imports nothing of HTCondor's but their traits."""
    for module in ("glasnost.node", "glasnost.daemons.host", "glasnost.cli.route"):
        done = subprocess.run(
            [sys.executable, "-I", "-c", LIGHT.format(module=module)],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        loaded = set(done.stdout.split())
        allowed = {"glasnost.condor", "glasnost.condor.stages"}
        if module == "glasnost.cli.route":  # it converts HTCondor's addresses
            allowed |= {name for name in loaded if name.startswith("glasnost.condor.addresses")}
        assert loaded <= allowed, module


def test_a_kind_that_is_told_late_is_known_all_the_same() -> None:
    register({})
    assert not {*HTCONDOR} & {*KINDS}
    traits()  # whoever planned before they were told
    register(HTCONDOR)
    assert all(crosses(one) and kinds()[one] is HTCONDOR[one] for one in HTCONDOR)
    assert {*ours()} == {*KINDS, *HTCONDOR}
    route = Route.parse("public/ip4:192.0.2.1:9618/condor.sock:a/condor.sock:b")
    assert why_unusable(route.stages, traits()) is None


def test_telling_it_again_does_not_look_for_plugins_again() -> None:
    register(HTCONDOR)
    traits()
    before = kinds()
    register(HTCONDOR)
    assert kinds() is before
