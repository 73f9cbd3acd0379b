"""`enginewright doctor`: everything a bug report needs."""

from __future__ import annotations

import click

from enginewright.cli._logging import start_logging
from enginewright.cli._state import common, current, json_option

EPILOG = """\b
Examples:
  enginewright doctor
  enginewright doctor --json > report.json
"""


@click.command("doctor", epilog=EPILOG, short_help="Show what a bug report needs.")
@json_option
@common
@click.pass_context
def command(ctx: click.Context) -> None:
    """Show this installation and machine, and try a small engine; exit code 1 if something is wrong."""
    import enginewright as ew
    from enginewright.cli._output import plain, print_json, print_text

    state = current()
    start_logging(state)
    found = ew.diagnose()
    if state.json:
        print_json("doctor", {"problems": plain(found.problems), "findings": plain(found.findings)})
    else:
        topic = ""
        for finding in found.findings:
            if finding.topic != topic:
                topic = finding.topic
                print_text(topic)
            mark = f"  <- PROBLEM: {finding.problem}" if finding.problem else ""
            print_text(f"  {finding.name:<18} {finding.value}{mark}")
        print_text(f"{len(found.problems)} problems" if found.problems else "no problems")
    ctx.exit(1 if found.problems else 0)
