"""`enginewright cache`: look into timing and calibration caches, merge and edit them; each command is a file here."""

from __future__ import annotations

import click

from enginewright.cli._group import Commands


class CacheCommands(Commands):
    """The commands of this folder."""

    package = __name__


@click.group("cache", cls=CacheCommands, short_help="Look into, merge and edit caches.")
def command() -> None:
    """Work with the files that keep timings of tactics and ranges of tensors."""
