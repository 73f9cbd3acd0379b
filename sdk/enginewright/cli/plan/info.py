"""`enginewright plan info`: what a file is, from its header and passport."""

from __future__ import annotations

import click

from enginewright.cli._output import print_text
from enginewright.cli._plan_text import info_text
from enginewright.cli._state import common, current, json_option

EPILOG = """\b
Examples:
  enginewright plan info det.plan
  enginewright plan info det.plan --json
"""


@click.command("info", epilog=EPILOG, short_help="Say what a file is.")
@click.argument("file", type=click.Path())
@json_option
@common
def command(file: str) -> None:
    """Say what a plan or cache of any release is; its weights are not read."""
    print_text(info_text(file, as_json=current().json))
