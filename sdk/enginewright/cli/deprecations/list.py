"""`enginewright deprecations list`: the calendar of what leaves."""

from __future__ import annotations

import click

from enginewright.cli._state import common, current, json_option

EPILOG = """\b
Examples:
  enginewright deprecations list
  enginewright deprecations list --target 2.0 --json
"""


@click.command("list", epilog=EPILOG, short_help="Show what is deprecated, since when and until when.")
@click.option("--target", metavar="VERSION", help="Only what this release removes: 2.0.")
@json_option
@common
def command(target: str | None) -> None:
    """Show everything deprecated: since when, the earliest removal, and what to use instead."""
    from enginewright.cli._output import plain, print_json, print_text
    from enginewright.deprecations import known

    found = known(target)
    if current().json:
        print_json("deprecations list", {"deprecations": [plain(entry) for entry in found]})
        return
    if not found:
        print_text(f"nothing is deprecated{f' that {target} removes' if target else ''}")
        return
    head = ("id", "what", "stage", "since", "removed in", "not before", "use")
    rows = [head] + [(e.id, e.name, e.stage, e.since, e.removal_in, str(e.not_before or "-"), e.use) for e in found]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    for row in rows:
        print_text("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
