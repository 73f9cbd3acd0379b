"""Measures the whole benchmark: all models in all precisions, with all threads and with one, and sums it up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from enginewright_compat.machine import this_machine
from tests.bench.page import write_page
from tests.bench.speed import Found, How, Pages, report as measure_table, summaries

COLUMNS = (
    "table", "threads", "precision", "batch", "models", "compared", "geometric mean", "worst", "of", "no peer", "failed"
)  # fmt: skip
INTRO = """\
The better peer's time over ours on {machine}, {date}, runs of each: {runs}, by `python -m tests.bench suite` (`make
bench-models`): above 1 means that ours is faster. Peers compute in the same precision: {peers}, whose default counts as
bfloat16. "no peer": models that no peer runs in this precision; "failed": those that could not be measured. Each table
has a file here."""
PEERS = {"ONNX Runtime": "onnxruntime", "OpenVINO": "openvino"}
BATCH, STARTS = 8, 3
BATCHED = ("resnet50_dyn", "mobilenet_v2_dyn", "vit_b16_dyn")
"""Models of images, which are run in batches."""


def tables(names: Sequence[str], runs: int) -> dict[str, tuple[How, list[str]]]:
    """What is measured, by the name of its file, each with the models that it has of those that are named (all)."""
    plain = How(runs=runs, rivals_only=True)
    asked = {
        "fp32": replace(plain, starts=STARTS, rivals_only=False),
        "fp32-one-thread": replace(plain, threads=1),
        "bf16": replace(plain, precision="bf16"),
        "bf16-one-thread": replace(plain, precision="bf16", threads=1),
        "int8": replace(plain, precision="int8", starts=STARTS),
        "int8-one-thread": replace(plain, precision="int8", threads=1),
        f"fp32-batch-{BATCH}": replace(plain, batch=BATCH),
    }
    sets = {table: how.wanted() if how.batch is None else BATCHED for table, how in asked.items()}
    chosen = {table: [name for name in models if name in names or not names] for table, models in sets.items()}
    return {table: (how, chosen[table]) for table, how in asked.items() if chosen[table]}


def report(names: Sequence[str], folder: Path, runs: int) -> int:
    """Print and write every table, and the summary after each; 1 if a model cannot be measured."""
    folder.mkdir(parents=True, exist_ok=True)
    lines: list[tuple[str, ...]] = []
    failed = 0
    for table, (how, chosen) in tables(names, runs).items():
        print(f"\n{table}", flush=True)
        found = measure_table(chosen, how, Pages(folder / f"{table}.md", folder / f"{table}.json"))
        failed += found.failed
        lines += _lines(table, how, found)
        write_page(folder / "summary.md", "Summary", _intro(runs), COLUMNS, lines)
    print("\n" + (folder / "summary.md").read_text(encoding="utf-8"))
    return int(failed > 0)


def _intro(runs: int) -> str:
    peers = ", ".join(f"{name} {version(package)}" for name, package in PEERS.items())
    today = datetime.now(UTC).date()
    return INTRO.format(machine=this_machine().model, date=today, runs=runs, peers=peers)


def _lines(table: str, how: How, found: Found) -> Iterable[tuple[str, ...]]:
    """One for each kind of model."""
    shown = (table, str(how.count_threads()), how.precision, str(how.batch or 1))
    for kind in summaries(found.rows):
        ratios = (f"{kind.mean:.2f}", f"{kind.worst:.2f}") if kind.count else ("", "")
        yield (*shown, kind.group, str(kind.count), *ratios, kind.name, str(kind.alone), str(found.failed))
