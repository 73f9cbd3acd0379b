"""`enginewright plan dump`: the content of a file as JSON."""

from __future__ import annotations

import click

from enginewright.cli._logging import start_logging
from enginewright.cli._state import common, current, json_option

EPILOG = """\b
Examples:
  enginewright plan dump det.plan
  enginewright plan dump det.plan --section META
"""


@click.command("dump", epilog=EPILOG, short_help="Print what is in a file.")
@click.argument("file", type=click.Path())
@click.option(
    "--section", metavar="NAME", help="Only one section: PASSPORT, META, WEIGHTS, CHUNKS, RECIPE, ENTRIES ..."
)
@json_option
@common
def command(file: str, section: str | None) -> None:
    """Print header and sections of a file of any release as JSON, arrays as their digests; always JSON."""
    import enginewright as ew
    from enginewright.cli._output import print_json

    start_logging(current())
    print_json("plan dump", ew.dump_file(file, section.upper() if section else None))
