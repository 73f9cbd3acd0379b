"""A command with an option, and one command, on their way out."""

from __future__ import annotations

import click

from enginewright.cli._deprecated import deprecated_option


@click.command()
@deprecated_option("EW-D9028: use --precision", "--fast-math", is_flag=True)
@click.option("--precision", default="fp32")
def build(precision: str, fast_math: bool) -> None:
    """Build."""
    click.echo("fp16" if fast_math else precision)
