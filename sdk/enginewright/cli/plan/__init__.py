"""`enginewright plan`: what a file is, whether it can load and is intact; each command is a file of this folder."""

from __future__ import annotations

import click

from enginewright.cli._group import Commands


class PlanCommands(Commands):
    """The commands of this folder."""

    package = __name__


@click.group("plan", cls=PlanCommands, short_help="Look at, compare, check and sign plan files.")
def command() -> None:
    """Work with the files of plans and caches: they are read, never run."""
