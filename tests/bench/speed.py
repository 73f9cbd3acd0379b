"""Measures models beside ONNX Runtime and OpenVINO, with the same threads and inputs, and beside the CPU's limits."""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import enginewright as ew
from enginewright.onnx_io.parser import parse
from enginewright.tools.statistics import Times
from enginewright_compat.machine import this_machine
from tests.bench.limits import Floor, Limits, floor_of, measure_limits
from tests.bench.loading import RUNTIMES, Built, Start, build_twice, start_all
from tests.bench.page import write_page
from tests.bench.race import Race
from tests.models import Arrays, TestModel, load_model, manifest

NO_PRODUCTS = ("add1",)
"""Models in which a narrow precision computes nothing."""
FULL, DEFAULT = ("onnxruntime", "openvino"), "openvino-default"
COLUMNS = (
    "model", "ours ms", *(f"{peer} ms (ratio)" for peer in (*FULL, DEFAULT)), "best / ours", "floor / ours", "in NumPy",
    "build s", "again s", "same bytes", "load ms", "ONNX Runtime / ours", *(f"peak MB {name}" for name in RUNTIMES),
)  # fmt: skip
INTRO = """\
Median time of one inference on {machine}, {threads} threads, {precision}, by `python -m tests.bench models`. A ratio
above 1 means that ours is faster; ~ marks a difference that is not significant. Number of runs: {runs}. In each all
take turns, and the one with the median ratio counts, with the range of all behind it. The best is that of {rivals};
"fails" where it refuses the model. {text}.

Measured at the start: {limits}. The floor is the time of all products (two operations each) at that peak or, marked
mem, that of reading the weights, where no cache holds them and it is longer; filtering leaves out products, so that a
run may take less.

A build begins with an empty timing cache, for the sizes that are run, as the peers are told them. The build after it
finds the timings of the first, and the two plans are compared byte by byte."""
LOADING = """

Loading means `ew.load`, every byte verified, beside the creation of a session of ONNX Runtime that takes every size
that the model does: the second time in a process that has loaded its libraries by the first, files cached by the
system, medians of {starts} processes. The peak is that of a process that has loaded and run once."""


@dataclass(frozen=True)
class How:
    """Threads (None: all), batch of models whose batch is dynamic (None: as in the manifest), precision of ours.

    Of so many `runs`, each with all runtimes in turns, the one with the median ratio counts. So many processes `starts`
    load each model; 0: none. With `rivals_only` no peer is measured that does not count.
    """

    threads: int | None = None
    batch: int | None = None
    precision: str = "fp32"
    runs: int = 1
    starts: int = 0
    rivals_only: bool = False

    @property
    def rivals(self) -> tuple[str, ...]:
        """Who computes in the same precision: OpenVINO's default is bfloat16, but for bytes it is bytes."""
        return {"bf16": (DEFAULT,), "int8": (*FULL, DEFAULT)}.get(self.precision, FULL)

    @property
    def peers(self) -> tuple[str, ...]:
        """Who is measured."""
        return self.rivals if self.rivals_only or self.precision == "bf16" else (*FULL, DEFAULT)

    def count_threads(self) -> int:
        """As a number."""
        return self.threads or len(os.sched_getaffinity(0))

    def wanted(self) -> list[str]:
        """The models that are measured where none is named."""
        return [
            name
            for name, entry in manifest().items()
            if name.endswith("_dyn") == (self.batch is not None)
            and entry.int8 == (self.precision == "int8")
            and not (name in NO_PRODUCTS and self.precision != "fp32")
        ]


@dataclass(frozen=True)
class Pages:
    """Where tables go, if anywhere."""

    markdown: Path | None = None
    json: Path | None = None


@dataclass(frozen=True)
class Row:
    """A model: medians in milliseconds, of the peers by name (None: it fails), those not significant, and the kind.

    `ratios` are those of all runs, that of this one in the middle.
    """

    name: str
    kind: str
    int8: bool
    ours: float
    peers: dict[str, float | None]
    close: tuple[str, ...]
    ratio: float | None
    ratios: tuple[float, ...]
    floor: Floor | None
    reference_steps: int
    built: Built
    megabytes: float
    starts: dict[str, Start | None] = field(default_factory=dict)

    @property
    def cells(self) -> tuple[str, ...]:
        """The line as texts."""
        best = "" if self.ratio is None else f"{self.ratio:.2f}"
        if len(self.ratios) > 1:
            best += f" ({min(self.ratios):.2f} to {max(self.ratios):.2f})"
        peers = (self._peer(name) for name in (*FULL, DEFAULT))
        built = (f"{self.built.seconds:.1f}", f"{self.built.again:.2f}", "yes" if self.built.same else "no")
        steps = str(self.reference_steps)
        return (self.name, f"{self.ours:.4g}", *peers, best, self._share(), steps, *built, *self._load())

    def _peer(self, name: str) -> str:
        if name not in self.peers:
            return ""
        time, sign = self.peers[name], "~" if name in self.close else ""
        return "fails" if time is None else f"{time:.4g} ({sign}{time / self.ours:.2f})"

    def _share(self) -> str:
        if self.floor is None or not self.floor.milliseconds:
            return ""
        return f"{self.floor.milliseconds / self.ours:.2f}" + (" (mem)" if self.floor.memory else "")

    def _load(self) -> tuple[str, ...]:
        """Milliseconds of ours, the ratio, and the peaks; empty where nothing was started."""
        found = [self.starts.get(name) for name in RUNTIMES]
        ours, theirs = found[:2]
        if ours is None:
            return ("",) * (2 + len(RUNTIMES))
        ratio = "fails" if theirs is None else f"{theirs.load / ours.load:.1f}"
        return (f"{ours.load:.2f}", ratio, *("fails" if start is None else f"{start.peak:.0f}" for start in found))


@dataclass(frozen=True)
class Found:
    """What was measured, and how many models could not be."""

    rows: tuple[Row, ...]
    failed: int


def report(wanted: Sequence[str], how: How, pages: Pages) -> Found:
    """Print and write the table."""
    limits = measure_limits(how.count_threads())
    print(limits, flush=True)
    rows: list[Row] = []
    lines: list[tuple[str, ...]] = []
    for name in wanted or how.wanted():
        try:
            rows.append(measure(load_model(name), how, limits))
            lines.append(rows[-1].cells)
        except ew.EnginewrightError as error:
            lines.append((name, f"{error.code}: {error.message}", *[""] * (len(COLUMNS) - 2)))
        print("  ".join(lines[-1]), flush=True)
        _write(how, limits, rows, lines, pages)  # a run that is stopped leaves what it has found
    print("; ".join(map(str, summaries(rows))))
    return Found(tuple(rows), len(lines) - len(rows))


def _write(how: How, limits: Limits, rows: list[Row], lines: list[tuple[str, ...]], pages: Pages) -> None:
    if pages.markdown is not None:
        text = "; ".join(map(str, summaries(rows)))
        intro = (INTRO + (LOADING if how.starts else "")).format(
            machine=this_machine().model, threads=how.count_threads(), precision=how.precision, runs=how.runs,
            rivals=" and ".join(how.rivals), text=text, limits=limits, starts=how.starts,
        )  # fmt: skip
        write_page(pages.markdown, "Speed", intro, COLUMNS, lines)
    if pages.json is not None:
        found = {"how": asdict(how), "limits": asdict(limits), "rows": [asdict(row) for row in rows]}
        pages.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


@dataclass(frozen=True)
class Summary:
    """The ratios to the best peer of one kind of model: the geometric mean of so many, and the worst.

    So many more were `alone`: no peer runs them.
    """

    group: str
    count: int
    alone: int
    mean: float = math.nan
    worst: float = math.nan
    name: str = ""

    def __str__(self) -> str:
        """As one sentence."""
        if not self.count:
            return f"{self.group}: no peer runs one of these {self.alone}"
        return f"{self.group}: geometric mean {self.mean:.2f} of {self.count}, worst {self.worst:.2f} ({self.name})"


def summaries(rows: Sequence[Row]) -> Iterable[Summary]:
    """By kind of model, where there are any."""
    groups = {
        "real and light": [row for row in rows if row.kind != "generated" and not row.int8],
        "int8": [row for row in rows if row.int8],
        "generated": [row for row in rows if row.kind == "generated" and not row.int8],
    }
    for group, members in groups.items():
        found = [(row.ratio, row.name) for row in members if row.ratio is not None]
        if found:
            mean = math.exp(sum(math.log(ratio) for ratio, _ in found) / len(found))
            yield Summary(group, len(found), len(members) - len(found), mean, *min(found))
        elif members:
            yield Summary(group, 0, len(members))


def measure(model: TestModel, how: How, limits: Limits) -> Row:
    """One row: of several runs the one with the median ratio."""
    inputs = model.inputs if how.batch is None else batched(model, how.batch)
    profile = ew.Profile.from_samples([inputs])
    config = ew.BuilderConfig(threads=how.threads, precision=how.precision, profiles=[profile])
    with tempfile.TemporaryDirectory() as folder:
        plan, built = build_twice(model, config, Path(folder))
        starts = start_all(model, Path(folder) / "plan", inputs, limits.threads, how.starts) if how.starts else {}
    race = Race(model, ew.Engine(plan, threads=how.threads), inputs, how.peers)
    runs = sorted((race.run() for _ in range(how.runs)), key=lambda run: _ratio(run, how) or math.inf)
    ratios = [ratio for run in runs if (ratio := _ratio(run, how)) is not None]
    middle = (len(runs) - 1) // 2
    times = runs[middle]
    ours = times[RUNTIMES[0]]
    return Row(
        name=model.name,
        kind=model.entry.kind,
        int8=model.entry.int8,
        ours=ours.median,
        peers={name: times[name].median if name in times else None for name in how.peers},
        close=tuple(name for name in how.peers if name in times and not times[name].differs(ours)),
        ratio=ratios[middle] if ratios else None,
        ratios=tuple(ratios),
        floor=floor_of(parse(model.path), inputs, how.precision, limits),
        reference_steps=len(plan.report.reference_steps),
        built=built,
        megabytes=model.path.stat().st_size / 1e6,
        starts=starts,
    )


def _ratio(run: dict[str, Times], how: How) -> float | None:
    """The time of the best rival over ours; None where all refuse the model."""
    rivals = [run[name].median for name in how.rivals if name in run]
    return min(rivals) / run[RUNTIMES[0]].median if rivals else None


def batched(model: TestModel, batch: int) -> Arrays:
    """The model's inputs, with another first axis."""
    import numpy as np

    rng = np.random.default_rng(0)
    return {name: rule.make(rng, (batch, *rule.shape[1:])) for name, rule in model.entry.inputs.items()}
