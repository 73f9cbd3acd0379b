"""What every command knows: how much to say, where to log, and whether to print JSON."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import click

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass
class State:
    """The settings that all commands share; filled while the command line is read."""

    verbosity: int = 0
    json: bool = False
    log_file: str | None = None
    command: str = ""
    cleanup: list[Callable[[], None]] = field(default_factory=list)


def current() -> State:
    """The state of the running command."""
    return click.get_current_context().ensure_object(State)


def common(function: Function) -> Function:
    """Add -q, -v and --log-file."""
    options = (
        click.option(
            "-q", "--quiet", is_flag=True, expose_value=False, callback=_quiet, help="Say nothing but errors."
        ),
        click.option(
            "-v", "--verbose", count=True, expose_value=False, callback=_verbose, help="Say more; -vv says everything."
        ),
        click.option(
            "--log-file", metavar="FILE", expose_value=False, callback=_log_file, help="Write the whole log to a file."
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function


def json_option(function: Function) -> Function:
    """Add --json."""
    return click.option(
        "--json", is_flag=True, expose_value=False, callback=_json, help="Print the result as JSON, errors included."
    )(function)


def _quiet(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    state = ctx.ensure_object(State)
    state.verbosity = -1 if value else state.verbosity


def _verbose(ctx: click.Context, _: click.Parameter, value: int) -> None:
    state = ctx.ensure_object(State)
    state.verbosity = value or state.verbosity


def _log_file(ctx: click.Context, _: click.Parameter, value: str | None) -> None:
    ctx.ensure_object(State).log_file = value


def _json(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    state = ctx.ensure_object(State)
    state.json, state.command = value, str(ctx.info_name)
