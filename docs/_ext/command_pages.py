"""Writes the page of the command line: the help of every command, as it is shown in a terminal of 100 columns."""

from __future__ import annotations

from pathlib import Path

import click
from sphinx.application import Sphinx

from enginewright.cli._group import group

HEAD = """# Command line

Data goes to stdout, everything else to stderr; `--json` on every command that prints data. `-` is stdin or stdout.

| exit | meaning | exit | meaning |
|---|---|---|---|
| 0 | done | 5 | plugin missing or broken |
| 1 | failed, none of the others | 6 | corrupt, or not an artifact |
| 2 | wrong usage | 7 | model unsupported or invalid |
| 3 | numbers differ beyond tolerance | 130 | interrupted |
| 4 | incompatible or untrusted | | |

"""


def sections(name: str, parent: click.Context) -> str:
    """Return the help of one command, and of each command in it."""
    assert isinstance(parent.command, click.Group)
    command = parent.command.get_command(parent, name)
    assert command is not None
    context = click.Context(command, info_name=name, parent=parent, max_content_width=100, terminal_width=100)
    title = context.command_path.removeprefix("enginewright ")
    text = f"## {title}\n\n```text\n{command.get_help(context)}\n```\n"
    inner = command.list_commands(context) if isinstance(command, click.Group) else []
    return "\n".join([text, *(sections(each, context) for each in inner)])


def write(app: Sphinx) -> None:
    """Write commands.md, which git ignores."""
    parent = click.Context(group, info_name="enginewright")
    content = HEAD + "\n".join(sections(name, parent) for name in group.list_commands(parent))
    page = Path(app.srcdir, "commands.md")
    if not page.exists() or page.read_text(encoding="utf-8") != content:
        page.write_text(content, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("builder-inited", write)
    return {"parallel_read_safe": True}
