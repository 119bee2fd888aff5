"""kill -9 of the authority: nobody notices before a renewal, and renewals catch up."""

from __future__ import annotations

import pytest

from glasnost.testing.lab import Lab
from glasnost.testing.world import World

pytestmark = [pytest.mark.lab, pytest.mark.slow]


def test_renewals_catch_up_when_the_authority_is_back(lab: Lab) -> None:
    with World(lab) as world:
        cm, bob = lab.host("cm"), lab.host("bob")
        lab.up()
        world.found(cm)
        for role, *options in (("agent",), ("authority", "--node-lifetime", "20"), ("directory",)):
            world.start(cm, role, *options)
        world.wait_for_agents([cm])
        world.wait_for_names(cm, ["authority.cm", "directory.cm"])
        world.join(cm, [bob], {})
        world.start(bob, "agent")
        world.wait_for_agents([bob])
        world.serve(bob, "web")
        world.wait_for_names(cm, ["web.bob"])
        certificate = (world.folder / "bob" / "node.crt").read_bytes()
        traffic = world.load(cm, names=("web.bob",), hold=("web.bob",), workers=1, seed=7)
        world.kill(cm, "authority")
        world.wait_for("a renewal that fails", lambda: "cannot be renewed" in world.log(bob))
        world.wait_for("transfers with what is left", traffic.more(5))
        world.restart(cm, "authority")
        world.wait_for(
            "a renewal", lambda: certificate != (world.folder / "bob" / "node.crt").read_bytes()
        )
        world.wait_for("the stream to go on", traffic.goes_on())
        world.wait_for("transfers", traffic.more(5))
        report = traffic.stop()
        assert report.faults == [] and report.failed == {}, report
        assert report.held[0].error == ""
