"""The examples in the docstrings of addresses are true."""

import doctest
import importlib
import pkgutil

import pytest

import glasnost.core.address
from glasnost.cli import address_forms

MODULES = [
    *(
        one.name
        for one in pkgutil.iter_modules(glasnost.core.address.__path__, "glasnost.core.address.")
    ),
    address_forms.__name__,
]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_are_true(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0
