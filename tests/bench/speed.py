"""How fast models run beside ONNX Runtime and OpenVINO, in one run each, with the same threads and inputs."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import perf_counter

import enginewright as ew
from enginewright_compat.machine import this_machine
from tests.bench.page import write_page
from tests.models import Arrays, TestModel, load_model, manifest, names

FULL, DEFAULT = ("onnxruntime", "openvino"), "openvino-default"
PEERS = (*FULL, DEFAULT)
COLUMNS = (
    "model",
    "ours ms",
    *(f"{peer} ms (ratio)" for peer in PEERS),
    "best / ours",
    "in NumPy",
    "build s",
    "load ms",
)


@dataclass(frozen=True)
class How:
    """Threads (None: all), batch of models whose batch is dynamic (None: as in the manifest), precision of ours.

    Of so many `runs`, each with all runtimes in turns, the one with the median ratio counts.
    """

    threads: int | None = None
    batch: int | None = None
    precision: str = "fp32"
    runs: int = 1

    @property
    def rivals(self) -> tuple[str, ...]:
        """Who computes in the same precision."""
        return (DEFAULT,) if self.precision == "bf16" else FULL


@dataclass(frozen=True)
class Pages:
    """Where tables go, if anywhere."""

    markdown: Path | None = None
    json: Path | None = None


@dataclass(frozen=True)
class Row:
    """A model: medians in milliseconds, of the peers by name (None: it fails), those not significant, and the kind.

    `ratios` are those of all runs; `build` in seconds and `load` in milliseconds are those of ours.
    """

    name: str
    kind: str
    ours: float
    peers: dict[str, float | None]
    close: tuple[str, ...]
    ratio: float | None
    reference_steps: int
    build: float = 0.0
    load: float = 0.0
    ratios: tuple[float, ...] = ()

    @property
    def cells(self) -> tuple[str, ...]:
        """The line as texts."""
        cells = []
        for peer, time in self.peers.items():
            sign = "~" if peer in self.close else ""
            cells.append("fails" if time is None else f"{time:.4g} ({sign}{time / self.ours:.2f})")
        best = "" if self.ratio is None else f"{self.ratio:.2f}"
        if len(self.ratios) > 1:
            best += f" ({min(self.ratios):.2f} to {max(self.ratios):.2f})"
        costs = (f"{self.build:.1f}", f"{self.load:.1f}")
        return (self.name, f"{self.ours:.4g}", *cells, best, str(self.reference_steps), *costs)


def report(wanted: Sequence[str], how: How, pages: Pages) -> int:
    """Print and write the table; 1 if a model cannot be measured."""
    rows: list[Row] = []
    lines: list[tuple[str, ...]] = []
    for name in wanted or [name for name in names() if name.endswith("_dyn") == (how.batch is not None)]:
        try:
            rows.append(measure(load_model(name), how))
            lines.append(rows[-1].cells)
        except ew.EnginewrightError as error:
            lines.append((name, f"{error.code}: {error.message}", *[""] * (len(COLUMNS) - 2)))
        print("  ".join(lines[-1]), flush=True)
    text = "; ".join(summaries(rows))
    print(text)
    if pages.markdown is not None:
        count = how.threads or len(os.sched_getaffinity(0))
        intro = (
            f"Median time of one inference on {this_machine().model}, {count} threads, {how.precision}, by "
            f"`python -m tests.bench models`. A ratio above 1 means that ours is faster; ~ marks a difference that is "
            f"not significant. Of {how.runs} runs the one with the median ratio counts. "
            f"The best is that of {' and '.join(how.rivals)}. {text}."
        )
        write_page(pages.markdown, "Speed", intro, COLUMNS, lines)
    if pages.json is not None:
        pages.json.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n", encoding="utf-8")
    return int(len(lines) > len(rows))


def summaries(rows: Sequence[Row]) -> Iterable[str]:
    """The geometric mean and the worst of the ratios to the best peer, by kind of model."""
    groups = {
        "real and light": [row for row in rows if row.kind != "generated" and not manifest()[row.name].int8],
        "int8": [row for row in rows if manifest()[row.name].int8],
        "generated": [row for row in rows if row.kind == "generated" and not manifest()[row.name].int8],
    }
    for group, members in groups.items():
        found = [(row.ratio, row.name) for row in members if row.ratio is not None]
        if found:
            mean = math.exp(sum(math.log(ratio) for ratio, _ in found) / len(found))
            worst, name = min(found)
            yield f"{group}: geometric mean {mean:.2f} of {len(found)}, worst {worst:.2f} ({name})"


def measure(model: TestModel, how: How) -> Row:
    """One row: of several runs the one with the median ratio."""
    start = perf_counter()
    config = ew.BuilderConfig(threads=how.threads, precision=how.precision)
    plan = ew.build(model.path, config)  # its timings are in the cache when bench builds again
    build = perf_counter() - start
    rows = [_run(model, how, config) for _ in range(how.runs)]
    rows.sort(key=lambda row: math.inf if row.ratio is None else row.ratio)
    ratios = tuple(row.ratio for row in rows if row.ratio is not None)
    middle = rows[(len(rows) - 1) // 2]
    return replace(middle, build=build, ratios=ratios, reference_steps=len(plan.report.reference_steps))


def _run(model: TestModel, how: How, config: ew.BuilderConfig) -> Row:
    """All runtimes in turns, once."""
    inputs = model.inputs if how.batch is None else batched(model, how.batch)
    found = ew.bench(model.path, peers=PEERS, inputs=inputs, effort=ew.Effort(duration=1.5), config=config)
    ours = next((peer.ours for peer in found.peers if peer.ours is not None), found.latency).median
    times = {peer.name: None if peer.latency is None else peer.latency.median for peer in found.peers}
    close = tuple(peer.name for peer in found.peers if not peer.significant)
    rivals = [time for name, time in times.items() if name in how.rivals and time is not None]
    ratio = min(rivals) / ours if rivals else None
    return Row(model.name, model.entry.kind, ours, times, close, ratio, 0, load=found.load_milliseconds)


def batched(model: TestModel, batch: int) -> Arrays:
    """The model's inputs, with another first axis."""
    import numpy as np

    rng = np.random.default_rng(0)
    return {name: rule.make(rng, (batch, *rule.shape[1:])) for name, rule in model.entry.inputs.items()}
