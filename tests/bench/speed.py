"""How fast models run beside ONNX Runtime and OpenVINO, in one run each, with the same threads and inputs."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path

import enginewright as ew
from enginewright_compat.machine import this_machine
from tests.bench.page import write_page
from tests.models import load_model, names

PEERS = ("onnxruntime", "openvino", "openvino-default")
COLUMNS = ("model", "ours ms", *(f"{peer} ms (ratio)" for peer in PEERS), "load ms", "in NumPy")


def report(wanted: Sequence[str], threads: int | None, page: Path | None) -> int:
    """Print and write the table; 1 if a model cannot be measured."""
    rows: list[tuple[str, ...]] = []
    ratios: dict[str, list[float]] = {peer: [] for peer in PEERS}
    failed = 0
    for name in wanted or names():
        try:
            rows.append(measure(name, threads, ratios))
        except ew.EnginewrightError as error:
            failed += 1
            rows.append((name, f"{error.code}: {error.message}", *[""] * (len(COLUMNS) - 2)))
        print("  ".join(rows[-1]), flush=True)
    means = {
        peer: math.exp(sum(map(math.log, values)) / len(values)) if values else math.nan
        for peer, values in ratios.items()
    }
    text = ", ".join(f"{peer} {mean:.2f}" for peer, mean in means.items())
    print(f"geometric mean of the ratios to ours: {text}")
    if page is not None:
        count = threads or len(os.sched_getaffinity(0))
        intro = (
            f"Median time of one inference on {this_machine().model}, {count} threads, by "
            f"`python -m tests.bench models`. A ratio above 1 means that ours is faster; ~ marks a difference that is "
            f"not significant. Geometric mean of the ratios: {text}."
        )
        write_page(page, "Speed", intro, COLUMNS, rows)
    return int(failed > 0)


def measure(name: str, threads: int | None, ratios: dict[str, list[float]]) -> tuple[str, ...]:
    """One row; the ratios are added to those of other models."""
    model = load_model(name)
    config = ew.BuilderConfig(threads=threads)
    plan = ew.build(model.path, config)  # its timings are in the cache when bench builds again
    found = ew.bench(model.path, peers=PEERS, inputs=model.inputs, effort=ew.Effort(duration=1.5), config=config)
    ours = next((peer.ours for peer in found.peers if peer.ours is not None), found.latency)
    cells = []
    for peer in found.peers:
        if peer.latency is None or peer.ratio is None:
            cells.append("fails")
        else:
            ratios[peer.name].append(peer.ratio)
            cells.append(f"{peer.latency.median:.4g} ({'' if peer.significant else '~'}{peer.ratio:.2f})")
    return (name, f"{ours.median:.4g}", *cells, f"{found.load_milliseconds:.1f}", str(len(plan.report.reference_steps)))
