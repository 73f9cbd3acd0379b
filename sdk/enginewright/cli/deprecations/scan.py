"""`enginewright deprecations scan`: finds uses of what is deprecated in Python sources."""

from __future__ import annotations

import click

from enginewright.cli._state import common, current, json_option

LIMITS = (
    "A scan of sources misses what is only known at run time: run your tests with "
    "ENGINEWRIGHT_DEPRECATIONS=json:uses.json and give --use uses.json."
)
EPILOG = """\b
A report comes from a run with ENGINEWRIGHT_DEPRECATIONS=json:FILE.
Exit code: 1 if something is found, or a file could not be read.

\b
Examples:
  enginewright deprecations scan src tests
  enginewright deprecations scan src --target 1.0 --use uses.json --json
"""


@click.command("scan", epilog=EPILOG, short_help="Find uses of what is deprecated in Python sources.")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path())
@click.option("--target", metavar="VERSION", help="Only what this release removes: 2.0.")
@click.option("--use", metavar="FILE", multiple=True, help="A report of uses at run time; see below.")
@json_option
@common
@click.pass_context
def command(ctx: click.Context, /, *, paths: tuple[str, ...], target: str | None, use: tuple[str, ...]) -> None:
    """Find each use of something deprecated in Python files and folders; nothing of them is run."""
    from enginewright.cli._output import plain, print_json, print_text
    from enginewright.deprecations import scan

    found = scan(paths, target=target, use=use)
    if current().json:
        rows = {"findings": plain(found.findings), "uses": plain(found.uses), "skipped": plain(found.skipped)}
        print_json("deprecations scan", {"files": found.files, **rows})
        ctx.exit(1 if found.found or found.skipped else 0)
    for finding in found.findings:
        mark = "  [can be repaired]" if finding.edit is not None else ""
        print_text(f"{finding.path}:{finding.line}:{finding.column}: {finding.message}{mark}\n    {finding.source}")
    for each in found.uses:
        print_text(f"{each.id}: used {each.count} times at run time, first at {each.place}")
    for path, reason in found.skipped:
        click.echo(f"{path}: not read: {reason}", err=True)
    fixable = sum(finding.edit is not None for finding in found.findings)
    files = len({finding.path for finding in found.findings})
    print_text(
        f"{len(found.findings)} uses in {files} of {found.files} files; {fixable} can be repaired by fix --write"
    )
    click.echo(LIMITS, err=True)
    ctx.exit(1 if found.found or found.skipped else 0)
