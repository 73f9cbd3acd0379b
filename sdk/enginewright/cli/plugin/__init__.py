"""`enginewright plugin`: start a plugin, list what is installed, look at one, find out why one is not seen."""

from __future__ import annotations

import click

from enginewright.cli._group import Commands


class PluginCommands(Commands):
    """The commands of this folder."""

    package = __name__


@click.group("plugin", cls=PluginCommands, short_help="Start, list, look at and examine plugins.")
def command() -> None:
    """Work with plugins: operators and tactics of other packages."""
