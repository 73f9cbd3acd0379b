"""Checks every model of the manifest on a GPU, in three precisions, against float32 in ONNX Runtime.

python -m tests.verify_cuda [NAME...] [--jobs N] prints a row a model; --write puts all into docs/models-cuda.md.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

import enginewright as ew
from enginewright.device.cuda import find_cuda
from enginewright.onnx_io.parser import parse
from enginewright.tensors import float16
from tests.bench.page import write_page
from tests.models import Arrays, TestModel, load_model, manifest
from tests.test_models import INT8_TOLERANCE, relative_error, run_onnxruntime

PAGE = Path(__file__).resolve().parent.parent / "docs" / "models-cuda.md"
BARS = {"fp32": 1e-4, "fp16": 1e-2, "bf16": 3e-2}
INTRO = """\
Each of these models is built for `target="cuda"`, run on generated inputs, and compared with ONNX Runtime on the CPU in
the types of the model. The error is that of the worst floating-point output, ‖ours - theirs‖ / ‖theirs‖. The bar is
1e-4 for fp32, 1e-2 for fp16, 3e-2 for bf16, and at least 1e-2 for models that hold float16 themselves, 2e-2 for
quantized ones. Steps on the host have no CUDA kernel for their types: they run on the CPU, between copies.
`python -m tests.verify_cuda --write` writes this page on a machine with a GPU. {doc}`benchmarks/cuda` says more of what
fails."""
COLUMNS = ("model", "precision", "steps", "on the host", "operators there", "worst error", "bar", "")


@dataclass(frozen=True)
class Row:
    """One model in one precision; `failure` is what stopped it."""

    name: str
    precision: str
    steps: int = 0
    host: dict[str, int] = field(default_factory=dict)
    error: float = float("nan")
    bar: float = 0.0
    failure: str = ""

    @property
    def passed(self) -> bool:
        """Whether it ran and stayed within the bar."""
        return not self.failure and self.error <= self.bar

    @property
    def cells(self) -> tuple[str, ...]:
        """The line as texts."""
        operators = ", ".join(f"{kernel} {count}" for kernel, count in sorted(self.host.items()))
        verdict = self.failure or ("pass" if self.passed else "**fail**")
        counts = str(self.steps), str(sum(self.host.values())), operators or "none"
        return (self.name, self.precision, *counts, f"{self.error:.1e}", f"{self.bar:.0e}", verdict)


def worst(found: Arrays, expected: Arrays) -> float:
    """The largest error of all outputs; a floating-point output that is NaN or Inf in one only is infinitely wrong."""
    errors = [0.0]
    for name, array in expected.items():
        ours = np.asarray(found[name])
        if ours.shape != array.shape:
            return float("inf")
        if array.dtype.kind == "f":
            error = relative_error(ours, array)
            errors.append(error if np.isfinite(error) else float("inf"))
    return max(errors)


def intro(gpu: str, date: str) -> str:
    """What stands above the table: how it was made, where and when."""
    return f"{INTRO}\n\nThese are of {date}, on one {gpu}."


def in_halves(model: TestModel) -> bool:
    """Whether the model itself computes in float16 somewhere, whatever precision is asked for."""
    network = parse(model.path)
    return any(tensor.dtype is float16 for layer in network.layers for tensor in layer.outputs)


def check(model: TestModel, precision: str, expected: Arrays) -> Row:
    """Build and run one model."""
    bar = max(BARS[precision], INT8_TOLERANCE if model.entry.int8 else 0, BARS["fp16"] if in_halves(model) else 0)
    try:
        plan = ew.build(model.path, ew.BuilderConfig(target="cuda", precision=precision, timing_cache=""))
        host: dict[str, int] = {}
        for step in plan.meta.programs[0].steps:
            if not step.device:
                host[step.kernel] = host.get(step.kernel, 0) + 1
        found = ew.load(plan).run(model.inputs)
    except Exception as failure:  # noqa: BLE001 - one model that fails must not hide the others
        return Row(model.name, precision, bar=bar, failure=f"{type(failure).__name__}: {failure}".splitlines()[0][:160])
    return Row(model.name, precision, len(plan.meta.programs[0].steps), host, worst(found, expected), bar)


def check_all(name: str) -> list[Row]:
    """One model in every precision."""
    model = load_model(name)
    expected = run_onnxruntime(model, model.inputs)
    return [check(model, precision, expected) for precision in BARS]


def main() -> None:
    """Print the rows; exit with 3 if a model fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--jobs", type=int, default=1, help="processes that share the GPU")
    parser.add_argument("--write", action="store_true", help="write docs/models-cuda.md")
    options = parser.parse_args()
    rows: list[Row] = []
    with multiprocessing.get_context("spawn").Pool(options.jobs, maxtasksperchild=1) as pool:
        for found in pool.imap_unordered(check_all, options.names or list(manifest())):
            rows += found
            for row in found:
                print(*row.cells, sep="  ", flush=True)
    if options.write:
        order = list(manifest())
        rows.sort(key=lambda row: order.index(row.name))
        above = intro(find_cuda("cuda").name, datetime.now(UTC).date().isoformat())
        write_page(PAGE, "Models on a GPU", above, COLUMNS, [row.cells for row in rows])
    sys.exit(0 if all(row.passed for row in rows) else 3)


if __name__ == "__main__":
    main()
