"""Names below a pool's domain."""

import pytest

from glasnost.core.address import Name, check_domain, check_label, pool_domain
from glasnost.errors import BadName

DOMAIN = "lab.glasnost.internal"

READ = [
    ("short", "jupyter.node7"),
    ("in full", "jupyter.node7.lab.glasnost.internal"),
    ("with DNS's final dot", "jupyter.node7.lab.glasnost.internal."),
    ("in capitals", "JUPYTER.Node7.LAB.glasnost.internal"),
]


@pytest.mark.parametrize("how, text", READ, ids=[case[0] for case in READ])
def test_a_name_is_read_however_it_is_written(how: str, text: str) -> None:
    name = Name.parse(text, DOMAIN)
    assert name == Name("jupyter", "node7", DOMAIN)
    assert str(name) == "jupyter.node7.lab.glasnost.internal"
    assert name.short == "jupyter.node7"
    assert name.host == "node7.lab.glasnost.internal"


def test_the_domain_of_a_pool() -> None:
    assert pool_domain("LAB") == DOMAIN
    assert check_domain("Example.ORG.") == "example.org"


REFUSED = [
    ("jupyter", "service.node"),
    ("node7.lab.glasnost.internal", "service.node"),
    ("lab.glasnost.internal", "not below"),
    ("a.b.c.lab.glasnost.internal", "service.node"),
    ("jupyter.node7.other.glasnost.internal", "not below"),
    ("", "missing"),
    (".node7", "missing"),
    ("jupyter..node7", "missing"),
    ("jupyter.-node7", "between them"),
    ("jüpyter.node7", "letters"),
    ("\u212a.node7", "letters"),
    ("a b.node7", "letters"),
    ("lab/ip4:192.0.2.1:9618", 'only an address has a ":"'),
    ("jupyter.node7:8000", 'only an address has a ":"'),
    ("x" * 64 + ".node7", "63"),
    (".".join(["x" * 60] * 6), "253"),
]


@pytest.mark.parametrize("text, why", REFUSED)
def test_what_is_no_name_is_refused_with_a_reason(text: str, why: str) -> None:
    with pytest.raises(BadName) as caught:
        Name.parse(text, DOMAIN)
    assert why in caught.value.why


def test_underscores_are_allowed_anywhere() -> None:
    assert check_label("_My_Service_") == "_my_service_"
    assert check_label("x" * 63)


def test_a_whole_name_has_the_length_of_a_dns_name() -> None:
    with pytest.raises(BadName):
        Name("x" * 63, "y" * 63, ".".join(["z" * 63] * 3))
