"""`enginewright plan check`: can these files load here, or in another release, or on another device?"""

from __future__ import annotations

import click

from enginewright.cli._state import common, current, json_option
from enginewright.cli.plan._showing import facts, given_trust, trust_options, verdict_lines

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
    from enginewright.cli._output import print_json, print_text
    from enginewright.verdict import plan_info

    trust = given_trust(asked["keys"], asked["trust"])
    found, worst = [], 0
    for file in files:
        try:
            info = plan_info(file, against=asked["against"], device=asked["device"], trust=trust)
        except Exception as error:
            from enginewright.errors import PlanError  # 8 ms, and most files are none

            if not isinstance(error, PlanError):
                raise
            worst = max(worst, error.exit_code)
            found.append({"path": file, "error": {"code": error.code, "message": error.message, "hint": error.hint}})
            if not current().json:
                print_text(f"{file}: {type(error).__name__}\n  {error.message}  {error.code}\n  hint: {error.hint}")
            continue
        worst = max(worst, info.exit_code(strict=strict))
        found.append(facts(info))
        if not current().json:
            print_text("\n".join(verdict_lines(info)))
    if current().json:
        print_json("plan check", {"files": found})
    ctx.exit(worst)
