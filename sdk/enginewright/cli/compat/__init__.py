"""`enginewright compat`: your files and plugins across releases; each command is a file of this folder."""

from __future__ import annotations

import click

from enginewright.cli._group import Commands


class CompatCommands(Commands):
    """The commands of this folder."""

    package = __name__


@click.group("compat", cls=CompatCommands, short_help="Your files and plugins across releases.")
def command() -> None:
    """Show which releases accept your files and plugins."""
