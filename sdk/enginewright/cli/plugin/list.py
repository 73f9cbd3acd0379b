"""`enginewright plugin list`: the installed plugins."""

from __future__ import annotations

import click

from enginewright.cli._logging import start_logging
from enginewright.cli._state import common, current, json_option

EPILOG = """\b
Examples:
  enginewright plugin list
  enginewright plugin list --load --json
"""


@click.command("list", epilog=EPILOG, short_help="List the installed plugins.")
@click.option("--load", is_flag=True, help="Import them all: shows their operators, and which are broken.")
@json_option
@common
def command(load: bool) -> None:
    """List installed plugins by what their distributions declare; nothing is imported without --load."""
    from enginewright.cli._output import plain, print_json, print_table, print_text
    from enginewright.tools.plugin_listing import list_plugins

    start_logging(current())
    rows = list_plugins(load=load)
    if current().json:
        print_json("plugin list", {"plugins": plain(rows)})
    elif rows:
        columns = ("key", "distribution", "version", "ABI", "state", "place")
        print_table(columns, [(r.key, r.distribution, r.version, r.abi, r.state, r.place) for r in rows])
    else:
        print_text("no plugins are installed")
