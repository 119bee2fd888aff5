"""HTCondor's side of things. What is spoken of it: STATUS.md beside this file."""

from __future__ import annotations

TYPE_CHECKING = False  # what typing says, without its import
if TYPE_CHECKING:
    from typing import Any

    from glasnost.condor.addresses.reading import parse
    from glasnost.condor.addresses.sinful import Sinful

__all__ = ["Sinful", "parse"]

_PLACES = {"Sinful": "sinful", "parse": "reading"}


def __getattr__(name: str) -> Any:
    """What is imported is imported when it is first used: the stages' traits are everybody's."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.addresses.{_PLACES[name]}"), name)
