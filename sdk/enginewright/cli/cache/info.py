"""`enginewright cache info`: what a cache holds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from enginewright.cli._logging import start_logging
from enginewright.cli._state import common, current, json_option

if TYPE_CHECKING:
    from enginewright.plan.calibration_cache import CalibrationCache
    from enginewright.plan.timing_cache import TimingCache
    from enginewright.plan.timing_entries import RoundingTrial, TimingEntry

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
    from enginewright.cli._output import print_json, print_text

    start_logging(current())
    if file is not None and ew.plan_info(file).kind == "calibration cache":
        ranges = ew.CalibrationCache.load(file)
        facts, lines = _ranges(ranges), list(_range_lines(ranges))
    else:
        timing = ew.TimingCache.default() if file is None else ew.TimingCache.load(file)
        facts, lines = _entries(timing), list(_entry_lines(timing))
    if current().json:
        print_json("cache info", facts)
    else:
        print_text("\n".join(map(_printable, lines)))


def _entries(cache: TimingCache) -> dict[str, Any]:
    entries = [
        {
            "key": key,
            "layer": str(entry.description),
            "device": entry.description.device,
            "timings": {
                name: {"nanoseconds": time.nanoseconds, "samples": time.samples, "imported": time.imported}
                for name, time in sorted(entry.timings.items())
            },
            "fastest": entry.fastest,
            "pinned": entry.pinned,
            "rounding": None if entry.rounding is None else _trial(entry.rounding),
        }
        for key, entry in cache.items()
    ]
    return {"path": None if cache.path is None else str(cache.path), "kind": "timing cache", "entries": entries}


def _entry_lines(cache: TimingCache) -> Iterator[str]:
    """One line an entry, not a table: keys are there to be copied whole."""
    yield f"{cache.path or 'no file'}: timing cache, {len(cache)} entries"
    for key, entry in cache.items():
        yield f"  {key}  {entry.description.title}: {_outcome(entry)}"


def _outcome(entry: TimingEntry) -> str:
    """What a build takes of it."""
    if entry.rounding is not None:
        return f"{entry.rounding.kept} of {entry.rounding.products} products stay in float32"
    chosen = f"pinned {entry.pinned}" if entry.pinned else entry.fastest or "none could be timed"
    return f"{chosen} of {len(entry.timings)}"


def _trial(found: RoundingTrial) -> dict[str, int | None]:
    return {
        "products": found.products,
        "kept": found.kept,
        "largest_kept": found.largest_kept,
        "error_without_millionths": found.without,
        "error_left_millionths": found.left,
    }


def _ranges(cache: CalibrationCache) -> dict[str, Any]:
    return {"kind": "calibration cache", "graph": cache.graph, "ranges": dict(cache)}


def _range_lines(cache: CalibrationCache) -> Iterator[str]:
    yield f"calibration cache for graph {cache.graph}, {len(cache)} tensors"
    for name, item in cache.items():
        numbers = f"scale {item.scale:.6g}, zero point {item.zero_point}"
        yield f"  {name}  {item.dtype}, {numbers}, by {item.method} from {item.samples:,} samples"


def _printable(text: str) -> str:
    """A text from a file without what could steer a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
