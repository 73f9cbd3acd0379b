"""`enginewright deprecations fix`: repairs renamed names and parameters in Python sources."""

from __future__ import annotations

import click

from enginewright.cli._state import common, current, json_option

EPILOG = """\b
Exit code: 1 if something is left for you to do.

\b
Examples:
  enginewright deprecations fix src
  enginewright deprecations fix src --write
"""


@click.command("fix", epilog=EPILOG, short_help="Repair renamed names and parameters in Python sources.")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path())
@click.option("--target", metavar="VERSION", help="Only what this release removes: 2.0.")
@click.option("--write", is_flag=True, help="Change the files; without it, only show the difference.")
@json_option
@common
@click.pass_context
def command(ctx: click.Context, /, *, paths: tuple[str, ...], target: str | None, write: bool) -> None:
    """Show the changes that replace deprecated names and parameters by the new ones; with --write, make them."""
    from enginewright.cli._output import plain, print_json, print_text
    from enginewright.deprecations import fix

    done = fix(paths, target=target, write=write)
    if current().json:
        files = [{"path": repair.path, "diff": repair.diff} for repair in done.files]
        print_json("deprecations fix", {"written": write, "files": files, "left": plain(done.left)})
        ctx.exit(1 if done.left else 0)
    for repair in done.files:
        print_text(repair.diff.rstrip("\n"))
    for finding in done.left:
        print_text(f"{finding.path}:{finding.line}:{finding.column}: by hand: {finding.message}\n    {finding.source}")
    word = "changed" if write else "would change (give --write)"
    click.echo(f"{len(done.files)} files {word}; {len(done.left)} uses are left to do by hand", err=True)
    ctx.exit(1 if done.left else 0)
