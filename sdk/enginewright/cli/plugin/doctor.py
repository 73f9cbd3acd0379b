"""`enginewright plugin doctor`: why a plugin is not seen."""

from __future__ import annotations

import click

from enginewright.cli._logging import start_logging
from enginewright.cli._state import common, current, json_option

EPILOG = """\b
Examples:
  enginewright plugin doctor
  enginewright plugin doctor acme::Swish
"""


@click.command("doctor", epilog=EPILOG, short_help="Find out why a plugin is not seen.")
@click.argument("key", required=False, default="")
@json_option
@common
@click.pass_context
def command(ctx: click.Context, key: str) -> None:
    """Ask, in this order: Python, group, name, import, version, kernels; exit code 5 if something is wrong.

    KEY is an operator (acme::Swish) or a namespace; without one, every installed plugin is imported.
    """
    from enginewright.cli._output import plain, print_json, print_text
    from enginewright.tools.plugin_listing import examine_plugins

    start_logging(current())
    steps = examine_plugins(key)
    problems = [step for step in steps if step.problem]
    if current().json:
        print_json("plugin doctor", {"steps": plain(steps), "problems": plain(problems)})
    else:
        for step in steps:
            print_text(f"{step.question:<8} {step.found}")
            if step.problem:
                print_text("         PROBLEM: " + step.problem.replace("\n", "\n         "))
        print_text(f"{len(problems)} problems" if problems else "no problems")
    ctx.exit(5 if problems else 0)
