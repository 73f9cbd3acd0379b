"""`enginewright cache merge`: one timing cache of several."""

from __future__ import annotations

import click

from enginewright.cli._logging import start_logging
from enginewright.cli._state import common, current

EPILOG = """\b
Examples:
  enginewright cache merge a.timing b.timing -o all.timing
  enginewright cache merge new.timing -o all.timing
"""


@click.command("merge", epilog=EPILOG, short_help="Merge timing caches.")
@click.argument("files", type=click.Path(), nargs=-1, required=True)
@click.option("-o", "--output", required=True, metavar="FILE", help="The file to add to, or to make.")
@common
def command(files: tuple[str, ...], output: str) -> None:
    """Add the entries of FILES to a timing cache; the order does not matter, and builds may use it meanwhile."""
    import enginewright as ew

    start_logging(current())
    caches = [ew.TimingCache.load(file) for file in files]
    merged = ew.TimingCache()
    merged.merge(*caches)
    merged.save(output)
