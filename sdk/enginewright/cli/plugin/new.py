"""`enginewright plugin new`: write the project of a plugin."""

from __future__ import annotations

import click

from enginewright.cli._logging import start_logging
from enginewright.cli._state import common, current, json_option

EPILOG = """\b
Examples:
  enginewright plugin new acme-plugins
  enginewright plugin new acme-plugins --level 2
  enginewright plugin new acme-plugins --level 3 --replaces
"""


@click.command("new", epilog=EPILOG, short_help="Write the project of a plugin.")
@click.argument("name")
@click.option(
    "--level",
    type=click.IntRange(0, 3),
    default=0,
    show_default=True,
    help="0 NumPy, 1 C source, 2 CUDA source, 3 library.",
)
@click.option("--namespace", default=None, help="Namespace of the operators (default: from NAME).")
@click.option("--replaces", is_flag=True, help="Also replace a subgraph of models by the operator.")
@json_option
@common
def command(name: str, level: int, namespace: str | None, replaces: bool) -> None:
    """Write a project that builds, tests and publishes, in a new folder NAME; NAME is that of the distribution."""
    from pathlib import Path

    from enginewright.cli._output import print_json, print_text
    from enginewright.tools.plugin_project import new_plugin

    start_logging(current())
    files = new_plugin(Path(), name, level=level, namespace=namespace, replaces=replaces)
    if current().json:
        print_json("plugin new", {"folder": name, "files": [str(file) for file in files]})
        return
    for file in files:
        print_text(str(file))
    print_text(f'\nNext:\n  cd {name}\n  pip install -e ".[test]"\n  pytest')
