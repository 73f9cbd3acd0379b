"""`enginewright compat matrix`: which release accepts which of your files and plugins, and what breaks when."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from enginewright.cli._state import common, current, json_option

if TYPE_CHECKING:
    from enginewright_compat.matrix import Matrix

EPILOG = """\b
Rows are files (folders are searched) and installed plugins, columns the known releases and the next major.
Whether a file fits this machine is another question: enginewright plan check.
Exit code: 4 if a row loads in no release.

\b
Examples:
  enginewright compat matrix models/
  enginewright compat matrix det.plan libacme.so --json
"""


@click.command("matrix", epilog=EPILOG, short_help="Show which release accepts which of your files and plugins.")
@click.argument("paths", metavar="[PATH...]", nargs=-1, type=click.Path(exists=True))
@json_option
@common
@click.pass_context
def command(ctx: click.Context, /, *, paths: tuple[str, ...]) -> None:
    """Judge plans, caches, plugin libraries and installed plugins by the rules of every known release."""
    from enginewright.cli._output import plain, print_json, print_text
    from enginewright.tools.compat_matrix import compat_matrix

    found = compat_matrix(paths)
    if current().json:
        print_json("compat matrix", {key: plain(getattr(found, key)) for key in ("columns", "rows", "coming")})
    else:
        print_text("\n".join([*table(found), "", *dates(found)]))
    ctx.exit(4 if any(row.loads_nowhere for row in found.rows) else 0)


def table(found: Matrix) -> list[str]:
    """Return the table as lines."""
    from enginewright.errors import printable

    rows = [["", "", "from", *(column.name for column in found.columns)]]
    for row in found.rows:
        cells = [f"{cell.answer} ({cell.field})" if cell.field else cell.answer for cell in row.cells]
        rows.append([printable(row.name), row.what, row.version, *map(printable, cells)])
    if not found.columns:
        return ["no release is known yet"]
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def dates(found: Matrix) -> list[str]:
    """Return what changes and when, as lines."""
    if not found.coming:
        return ["nothing is deprecated: no date is set on which something changes"]
    lines = []
    for each in found.coming:
        users = f"; used by {', '.join(each.rows)}" if each.rows else ""
        day = f"not before {each.not_before}" if each.not_before else "its day is set by the next release"
        lines.append(f"{day}  {each.removal_in} removes {each.what} ({each.id}){users}")
    return lines
