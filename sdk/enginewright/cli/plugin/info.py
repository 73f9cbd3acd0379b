"""`enginewright plugin info`: what an operator of a plugin offers."""

from __future__ import annotations

import click

from enginewright.cli._logging import start_logging
from enginewright.cli._state import common, current, json_option

EPILOG = """\b
Examples:
  enginewright plugin info acme::Swish
  enginewright plugin info acme::Swish@2 --json
"""


@click.command("info", epilog=EPILOG, short_help="Show what an operator offers.")
@click.argument("key")
@json_option
@common
def command(key: str) -> None:
    """Show an operator's fields, inputs, tactics and names in ONNX; of the newest version unless KEY names one."""
    from enginewright.cli._output import plain, print_json, print_text
    from enginewright.tools.plugin_listing import describe_plugin

    start_logging(current())
    found = describe_plugin(key)
    if current().json:
        print_json("plugin info", plain(found))
        return
    print_text(f"{found.key}  {found.summary}".rstrip())
    print_text(f"  from     {found.distribution or 'no distribution'}")
    print_text(f"  inputs   {found.signature}")
    print_text(f"  fields   {found.fields}")
    for label, values in (("alias", (found.alias,)), ("tactic", found.tactics), ("onnx", found.onnx)):
        for value in values:
            if value:
                print_text(f"  {label:<8} {value}")
