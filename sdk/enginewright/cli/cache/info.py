"""`enginewright cache info`: what a cache holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from enginewright.cli._logging import start_logging
from enginewright.cli._state import common, current, json_option

if TYPE_CHECKING:
    from enginewright.plan.calibration_cache import CalibrationCache
    from enginewright.plan.timing_cache import TimingCache

EPILOG = """\b
Examples:
  enginewright cache info
  enginewright cache info model.timing
"""


@click.command("info", epilog=EPILOG, short_help="Say what a cache holds.")
@click.argument("file", type=click.Path(), required=False)
@json_option
@common
def command(file: str | None) -> None:
    """List the entries of a timing cache or the ranges of a calibration cache; without FILE, your timing cache."""
    import enginewright as ew
    from enginewright.cli._output import print_json, print_table, print_text

    start_logging(current())
    if file is not None and ew.plan_info(file).kind == "calibration cache":
        facts, columns, rows = _calibration(ew.CalibrationCache.load(file))
    else:
        facts, columns, rows = _timing(ew.TimingCache.default() if file is None else ew.TimingCache.load(file))
    if current().json:
        print_json("cache info", facts)
    elif rows:
        print_table(columns, rows)
    else:
        print_text("no entries")


def _timing(cache: TimingCache) -> tuple[dict[str, Any], list[str], list[list[str]]]:
    entries = [
        {
            "key": key,
            "layer": str(entry.description),
            "device": entry.description.device,
            "timings": {
                name: {"nanoseconds": time.nanoseconds, "samples": time.samples}
                for name, time in sorted(entry.timings.items())
            },
            "fastest": entry.fastest,
            "pinned": entry.pinned,
        }
        for key, entry in cache.items()
    ]
    rows = [
        [key, entry.pinned or "", entry.fastest or "", str(len(entry.timings)), _shown(str(entry.description))]
        for key, entry in cache.items()
    ]
    facts = {"path": None if cache.path is None else str(cache.path), "kind": "timing cache", "entries": entries}
    return facts, ["key", "pinned", "fastest", "tactics>", "layer"], rows


def _calibration(cache: CalibrationCache) -> tuple[dict[str, Any], list[str], list[list[str]]]:
    facts = {"kind": "calibration cache", "graph": cache.graph, "ranges": dict(cache)}
    rows = [
        [name, str(item.dtype), f"{item.scale:.6g}", str(item.zero_point), item.method, f"{item.samples:,}"]
        for name, item in cache.items()
    ]
    return facts, ["tensor", "type", "scale>", "zero point>", "method", "samples>"], rows


def _shown(text: str) -> str:
    """A text from a file without what could steer a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
