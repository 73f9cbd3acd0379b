"""Options and commands that are on their way out: the help says so, and so does stderr when one is used."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from enginewright_compat.deprecation import warn_deprecated

Function = TypeVar("Function", bound=Callable[..., Any])


def deprecated_option(message: str, *names: str, **settings: Any) -> Callable[[Function], Function]:
    """Return `click.option` for an option that is leaving; the text begins with the id of its deprecation."""

    def noticed(ctx: click.Context, param: click.Parameter, value: Any) -> Any:
        if ctx.get_parameter_source(str(param.name)) is not click.core.ParameterSource.DEFAULT:
            warn_deprecated(message)
        return value

    return click.option(*names, deprecated=message, callback=noticed, **settings)


class DeprecatedCommand(click.Command):
    """A command that is leaving; `deprecated` is the text that begins with the id of its deprecation."""

    def invoke(self, ctx: click.Context) -> Any:
        """Warn, then run."""
        warn_deprecated(str(self.deprecated))
        return super().invoke(ctx)
