"""`enginewright cache export`: a timing cache as text."""

from __future__ import annotations

import click

from enginewright.cli._logging import start_logging
from enginewright.cli._state import common, current

EPILOG = """\b
Examples:
  enginewright cache export model.timing -o model.timing.json
  enginewright cache export model.timing | less
"""


@click.command("export", epilog=EPILOG, short_help="Write a timing cache as text.")
@click.argument("file", type=click.Path())
@click.option("-o", "--output", default="-", metavar="TEXT", help="The file to write. Default: standard output.")
@common
def command(file: str, output: str) -> None:
    """Write a timing cache as JSON that can be read, edited, compared and kept in git."""
    import enginewright as ew
    from enginewright.cli._output import print_text

    start_logging(current())
    text = ew.TimingCache.load(file).to_text()
    if output == "-":
        print_text(text.removesuffix("\n"))
        return
    try:
        with click.open_file(output, "w", encoding="utf-8", atomic=True) as stream:
            stream.write(text)
    except OSError as error:
        raise click.FileError(output, error.strerror) from error
