"""Writes the calendar of deprecations, the migration guides, and the same as JSON, from the registry."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from sphinx.application import Sphinx

from enginewright_compat.deprecation.registry import Deprecation, known_deprecations

CALENDAR = """# Deprecations

What is on its way out, since when, and until when at least: [versions](versions.md) has the rules. The same is at
<https://enginewright.readthedocs.io/en/stable/deprecations.json>, and `enginewright deprecations list` shows it.

"""
GUIDE = """# Migrating to {release}

What {release} removes, and what to write instead. `enginewright deprecations scan` finds uses in your sources, and
`enginewright deprecations fix --write` repairs those marked *repaired*; the others are yours.

"""
SECTION = """({anchor})=
## {name}

**{id}**, {kind}, deprecated since {since}; stays until {removal_in} and at least {not_before}. {migration}{extended}

```{{code-block}} python
:caption: before
{before}
```

```{{code-block}} python
:caption: after{repaired}
{after}
```

"""


def calendar(entries: Iterable[Deprecation]) -> str:
    """Return the page with all entries, by id."""
    rows = [
        f"| [{e.id}]({e.guide.partition('#')[0]}.md#{e.guide.partition('#')[2]}) | `{e.name}` | {e.kind} | {e.stage} "
        f"| {since(e)} | {e.removal_in} | {e.not_before or '-'} | {f'`{e.use}`' if e.use != '-' else '-'} |\n"
        for e in entries
    ]
    head = "| id | what | kind | stage | since | removed in | not before | use |\n|---|---|---|---|---|---|---|---|\n"
    return CALENDAR + (head + "".join(rows) if rows else "Nothing is deprecated.\n")


def since(entry: Deprecation) -> str:
    """Return release and day, or that they are to come."""
    return f"{entry.since} ({entry.since_date})" if entry.since_date else "the next release"


def guides(entries: Iterable[Deprecation]) -> dict[str, str]:
    """Return the text of each guide by its page; that of the next major is always there."""
    found = {"migrate/1.0": GUIDE.format(release="1.0")}
    for entry in entries:
        page, _, anchor = entry.guide.partition("#")
        found.setdefault(page, GUIDE.format(release=page.rpartition("/")[2]))
        found[page] += SECTION.format(
            anchor=anchor,
            name=entry.name,
            id=entry.id,
            kind=entry.kind,
            since=since(entry),
            removal_in=entry.removal_in,
            not_before=entry.not_before or "12 months after that release",
            migration=entry.migration,
            extended=f" Kept longer: {entry.extend_reason}" if entry.extend_reason else "",
            before=entry.before,
            after=entry.after,
            repaired=", repaired" if entry.autofix != "none" else "",
        )
    return found


def write(app: Sphinx) -> None:
    """Write the pages, which git ignores."""
    entries = list(known_deprecations().values())
    for name, content in ({"deprecations": calendar(entries)} | guides(entries)).items():
        page = Path(app.srcdir, f"{name}.md")
        page.parent.mkdir(exist_ok=True)
        if not page.exists() or page.read_text(encoding="utf-8") != content:
            page.write_text(content, encoding="utf-8")


def write_json(app: Sphinx, error: Exception | None) -> None:
    """Write deprecations.json beside the pages."""
    if error is None:
        rows = [asdict(entry) | {"url": entry.url} for entry in known_deprecations().values()]
        text = json.dumps({"schema_version": 1, "deprecations": rows}, indent=1, default=str)
        Path(app.outdir, "deprecations.json").write_text(text + "\n", encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("builder-inited", write)
    app.connect("build-finished", write_json)
    return {"parallel_read_safe": True}
