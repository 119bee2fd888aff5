"""What our own settings say of networks."""

import pytest

from glasnost.core.routes import Policy

COSTS = [
    # costs                              network     cost
    ({}, "lab", 0),
    ({"lab": 3}, "lab", 3),
    ({"lab": 3}, "lab.b", 0),
    ({"lab*": 3, "*": 1}, "lab.b", 3),
    ({"lab*": 3}, "lac", 0),
    ({"lab*": 3, "*": 1}, "site", 1),
    ({"lab*": 3, "lab": 1}, "lab", 1),
    ({"lab": 1, "lab*": 3}, "lab", 1),
]


@pytest.mark.parametrize("costs, network, cost", COSTS)
def test_what_a_network_costs(costs: dict[str, float], network: str, cost: float) -> None:
    assert Policy(costs=costs).cost(network) == cost


RANKS = [
    # prefer              avoid        networks, in order
    ((), (), "host.a lab public"),
    (("public",), (), "public host.a lab"),
    ((), ("host.*",), "lab public host.a"),
    (("lab",), ("*",), "lab site"),
    (("lab", "si*"), ("public",), "lab site host.a other public"),
    ((), ("public", "lab"), "other public lab"),
    (("lab",), ("lab",), "lab other"),
]


@pytest.mark.parametrize("prefer, avoid, networks", RANKS)
def test_where_networks_stand(
    prefer: tuple[str, ...], avoid: tuple[str, ...], networks: str
) -> None:
    policy = Policy(prefer, avoid)
    ranks = [policy.rank(network) for network in networks.split()]
    assert ranks == sorted(set(ranks))


def test_networks_that_nobody_names_stand_together() -> None:
    assert Policy().rank("lab") == Policy().rank("site")


WRONG = [
    {"prefer": ("Lab",)},
    {"avoid": ("la*b",)},
    {"prefer": ("",)},
    {"costs": {"lab": -1}},
    {"costs": {"lab": float("nan")}},
    {"costs": {"lab": float("inf")}},
    {"costs": {"ip4@lab": 1}},
]


@pytest.mark.parametrize("wrong", WRONG)
def test_a_policy_is_about_networks_and_costs(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        Policy(**wrong)  # type: ignore[arg-type]
