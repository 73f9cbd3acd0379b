"""`enginewright plugin check`: the test kit for plugins."""

from __future__ import annotations

from pathlib import Path

import click

from enginewright.cli._logging import start_logging
from enginewright.cli._state import common, current, json_option

FAILED = 5
EPILOG = """\b
Examples:
  enginewright plugin check acme::Swish
  enginewright plugin check acme::Swish --subprocess --only memory
  enginewright plugin check acme::Swish --lock
"""


@click.command("check", epilog=EPILOG, short_help="Examine an operator and its tactics.")
@click.argument("key")
@click.option("--subprocess", is_flag=True, help="Check in a process that may crash or hang: that is a finding, too.")
@click.option("--only", multiple=True, metavar="NAME", help="A group of checks, or one of them. May be repeated.")
@click.option(
    "--seconds", type=click.FloatRange(min=1), default=120, show_default=True, help="For each check, with --subprocess."
)
@click.option(
    "--lock", is_flag=True, help="Note the fields of this version in plugin.lock.json, if they are not there."
)
@json_option
@common
@click.pass_context
def command(ctx: click.Context, /, *, key: str, only: tuple[str, ...], lock: bool, **how: object) -> None:
    """Examine an operator of a plugin: state, shapes, tactics, memory, behaviour, life; exit code 5 if a check fails.

    KEY is acme::Swish (the newest version) or acme::Swish@2. plugin.lock.json of this folder holds the fields of each
    version: who changes them without a new version is told.
    """
    from enginewright.cli._output import plain, print_json, print_text
    from enginewright.testing import check_plugin, write_lock

    start_logging(current())
    report = check_plugin(key, only=only, **how)  # type: ignore[arg-type]  # subprocess and seconds as declared above
    written = write_lock(key) if lock else False
    if current().json:
        print_json("plugin check", {"passed": report.passed, "key": report.key, "lines": plain(report.lines)})
    else:
        print_text(str(report))
        if written:
            print_text(f"{Path('plugin.lock.json').absolute()} now holds the fields of {report.key}")
    ctx.exit(0 if report.passed else FAILED)
