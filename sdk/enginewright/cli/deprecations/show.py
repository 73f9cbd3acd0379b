"""`enginewright deprecations show`: everything on one id."""

from __future__ import annotations

import click

from enginewright.cli._state import common, current, json_option

EPILOG = """\b
Examples:
  enginewright deprecations show EW-D0001
  enginewright deprecations show EW-D0001 --json
"""


@click.command("show", epilog=EPILOG, short_help="Show one deprecation, with an example before and after.")
@click.argument("identity", metavar="ID")
@json_option
@common
def command(identity: str) -> None:
    """Show what is deprecated under an ID, when it leaves, and how to replace it."""
    from enginewright.cli._output import plain, print_json, print_text
    from enginewright.deprecations import find

    entry = find(identity)
    if current().json:
        print_json("deprecations show", {"deprecation": plain(entry), "url": entry.url})
        return
    rows = [
        ("stage", entry.stage),
        ("since", f"{entry.since} ({entry.since_date})" if entry.since_date else entry.since),
        ("removed in", entry.removal_in),
        ("not before", str(entry.not_before or "12 months after its first release")),
        ("use", entry.use),
        ("migration", entry.migration),
        ("repaired by", "enginewright deprecations fix" if entry.autofix != "none" else "hand"),
        ("before", entry.before),
        ("after", entry.after),
        ("more", entry.url),
    ]
    if entry.extend_reason:
        rows.insert(4, ("kept because", entry.extend_reason))
    print_text(f"{entry.id}  {entry.name} ({entry.kind})")
    for name, value in rows:
        print_text(f"  {name:<12} {value}")
