"""`enginewright plan check`: can these files load here, or in another release, or on another device?"""

from __future__ import annotations

import click

from enginewright.cli._options import given_trust, trust_options
from enginewright.cli._output import print_text
from enginewright.cli._plan_text import check_text
from enginewright.cli._state import common, current, json_option

EPILOG = """\b
Exit code: 0 OK or SUBOPTIMAL, 4 INCOMPATIBLE (with --strict also SUBOPTIMAL), 5 a plugin is missing,
6 corrupt or no artifact; for several files the largest.

\b
Examples:
  enginewright plan check det.plan
  enginewright plan check *.plan --against 1.4.2 --json
"""


@click.command("check", epilog=EPILOG, short_help="Say whether files can load, and why not.")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path())
@click.option("--against", metavar="VERSION", help="Ask about another release: 1.4.2, or 1.4.2+1873.")
@click.option("--device", metavar="DEVICE", help="Ask about another machine: aarch64, x86_64+avx2+fma, sm_86.")
@click.option("--strict", is_flag=True, help="Exit with 4 for SUBOPTIMAL, too.")
@trust_options
@json_option
@common
@click.pass_context
def command(ctx: click.Context, /, *, files: tuple[str, ...], strict: bool, **asked: str | None) -> None:
    """Give the verdict on each file, with every reason: OK, SUBOPTIMAL or INCOMPATIBLE."""
    trust = given_trust(asked.pop("keys"), asked.pop("trust"))
    text, code = check_text(files, as_json=current().json, strict=strict, trust=trust, **asked)
    print_text(text)
    ctx.exit(code)
