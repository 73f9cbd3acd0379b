"""`enginewright cache import`: a timing cache from text."""

from __future__ import annotations

from typing import IO

import click

from enginewright.cli._logging import start_logging
from enginewright.cli._state import common, current

EPILOG = """\b
Examples:
  enginewright cache import model.timing.json -o model.timing
  enginewright cache merge others.timing model.timing -o all.timing
"""


@click.command("import", epilog=EPILOG, short_help="Make a timing cache from text.")
@click.argument("text", type=click.File(encoding="utf-8"))
@click.option("-o", "--output", required=True, metavar="FILE", help="The file to write; replaced at once if it exists.")
@common
def command(text: IO[str], output: str) -> None:
    """Make a timing cache that holds what TEXT says; - is standard input. To add to a cache, merge the result."""
    import enginewright as ew
    from enginewright.cli._output import print_text

    start_logging(current())
    try:
        content = text.read()
    except (OSError, UnicodeDecodeError) as error:
        raise click.FileError(text.name, str(error)) from error
    cache = ew.TimingCache.from_text(content, text.name)
    cache.save(output, replace=True)
    print_text(f"{output}: {len(cache)} {'entry' if len(cache) == 1 else 'entries'} imported")
