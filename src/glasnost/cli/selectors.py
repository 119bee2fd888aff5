"""How commands are told which labels services must have."""

from __future__ import annotations

import click

from glasnost.core.protocols.selector import Term, parse_terms


class _Selector(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.3
    name = "selector"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[Term, ...]:
        if isinstance(value, tuple):
            return value
        try:
            return parse_terms(str(value).split(",") if value else ())
        except ValueError as error:
            self.fail(str(error), param, ctx)


#: ``role=startd,!draining`` as terms.
SELECTOR = _Selector()
