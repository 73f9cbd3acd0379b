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
    from enginewright.cli._output import print_json

    start_logging(current())
    if file is not None and ew.plan_info(file).kind == "calibration cache":
        calibration = ew.CalibrationCache.load(file)
        facts, show = _ranges(calibration), lambda: _show_ranges(calibration)
    else:
        timing = ew.TimingCache.default() if file is None else ew.TimingCache.load(file)
        facts, show = _entries(timing), lambda: _show_entries(timing)
    if current().json:
        print_json("cache info", facts)
    else:
        show()


def _entries(cache: TimingCache) -> dict[str, Any]:
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
    return {"path": None if cache.path is None else str(cache.path), "kind": "timing cache", "entries": entries}


def _show_entries(cache: TimingCache) -> None:
    """One line an entry, not a table: keys are there to be copied whole."""
    from enginewright.cli._output import print_text

    print_text(f"{cache.path or 'no file'}: timing cache, {len(cache)} entries")
    for key, entry in cache.items():
        chosen = f"pinned {entry.pinned}" if entry.pinned else entry.fastest or "none could be timed"
        print_text(_printable(f"  {key}  {entry.description.title}: {chosen} of {len(entry.timings)}"))


def _ranges(cache: CalibrationCache) -> dict[str, Any]:
    return {"kind": "calibration cache", "graph": cache.graph, "ranges": dict(cache)}


def _show_ranges(cache: CalibrationCache) -> None:
    from enginewright.cli._output import print_table

    rows = [
        [name, str(item.dtype), f"{item.scale:.6g}", str(item.zero_point), item.method, f"{item.samples:,}"]
        for name, item in cache.items()
    ]
    print_table(["tensor", "type", "scale>", "zero point>", "method", "samples>"], rows)


def _printable(text: str) -> str:
    """A text from a file without what could steer a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
