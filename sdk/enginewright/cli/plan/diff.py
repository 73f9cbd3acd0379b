"""`enginewright plan diff`: in what two files differ."""

from __future__ import annotations

import click

from enginewright.cli._logging import start_logging
from enginewright.cli._state import common, current, json_option

EPILOG = """\b
Exit code: 0 if they are the same, 1 if they differ.

\b
Examples:
  enginewright plan diff old.plan new.plan
  enginewright plan diff old.plan new.plan --json
"""


@click.command("diff", epilog=EPILOG, short_help="Say in what two files differ.")
@click.argument("left", type=click.Path())
@click.argument("right", type=click.Path())
@json_option
@common
@click.pass_context
def command(ctx: click.Context, /, *, left: str, right: str) -> None:
    """Compare header, passport, programs and steps by name, and weights by digest."""
    import enginewright as ew
    from enginewright.cli._output import plain, print_json, print_table, print_text

    start_logging(current())
    found = ew.diff_files(left, right)
    if current().json:
        print_json("plan diff", {"differences": plain(found)})
    elif found:
        print_table(["place", left, right], [[item.place, item.left, item.right] for item in found])
    else:
        print_text("no differences")
    ctx.exit(1 if found else 0)
