"""The tree of commands: each is a file of a folder, imported when it is asked for."""

from __future__ import annotations

import sys
from importlib import import_module
from keyword import iskeyword
from pathlib import Path

import click


class Commands(click.Group):
    """A group whose commands are the modules and folders of a package; names that begin with "_" are none.

    A module has "_" at its end where the name of its command is a keyword of Python.
    """

    package = "enginewright.cli"

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands."""
        paths = Path(str(sys.modules[self.package].__file__)).parent.glob("[!_]*")
        found = (path.stem for path in paths if path.suffix == ".py" or (path / "__init__.py").is_file())
        return sorted(name.removesuffix("_") for name in found)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Import the command's module."""
        if name not in self.list_commands(ctx):
            return None
        module = f"{name}_" if iskeyword(name) else name
        command: click.Command = import_module(f"{self.package}.{module}").command
        return command


def _version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        import enginewright

        click.echo(f"enginewright {enginewright.__version__}")
        ctx.exit()


@click.group(
    name="enginewright",
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Each command has its own help: enginewright build --help",
)
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the release.")
def group() -> None:
    """Build tuned engines from trained models and run them fast."""
