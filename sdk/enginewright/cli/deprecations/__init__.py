"""`enginewright deprecations`: what leaves and when, which of it your sources use, and repairs; a file each."""

from __future__ import annotations

import click

from enginewright.cli._group import Commands


class DeprecationCommands(Commands):
    """The commands of this folder."""

    package = __name__


@click.group("deprecations", cls=DeprecationCommands, short_help="What leaves and when; find and repair its uses.")
def command() -> None:
    """Show what is deprecated, find it in sources, and repair what can be repaired."""
