"""Checks every model of the manifest against ONNX Runtime and writes the table of the documentation.

python -m tests.verify_models [NAME...] prints the rows; with --write all models go into docs/models.md.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import enginewright as ew
from tests.bench.page import write_page
from tests.models import TestModel, load_model, manifest

PAGE = Path(__file__).resolve().parent.parent / "docs" / "models.md"
INTRO = """\
Each of these models is built, run, and compared with ONNX Runtime on generated inputs; `make verify-models` writes this
page. The error is that of the worst output, ‖ours - theirs‖ / ‖theirs‖; integers and booleans must be equal. The bar is
1e-4 for float32, 1e-2 for 16-bit outputs, 2e-2 for quantized models. Where ONNX Runtime itself only rounds, the NumPy
references decide ({doc}`concepts`). Reference steps are steps that call back into Python at each run."""
COLUMNS = ("model", "from", "steps", "reference steps", "worst error", "bar", "")


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    name: str
    origin: str
    steps: int
    reference_steps: int
    error: float
    bar: float
    passed: bool

    @property
    def cells(self) -> tuple[str, ...]:
        """The line as texts."""
        counts = str(self.steps), str(self.reference_steps)
        errors = f"{self.error:.1e}", f"{self.bar:.0e}"
        return (self.name, self.origin, *counts, *errors, "pass" if self.passed else "**fail**")


def check(model: TestModel, level: int = 1) -> Row:
    """Verify one model with the inputs of the manifest."""
    config = ew.BuilderConfig(level=level, timing_cache="")
    verification = ew.verify(str(model.path), inputs=dict(model.inputs), config=config)
    plan = ew.build(str(model.path), config)
    entry = model.entry
    steps = sum(len(program.steps) for program in plan.meta.programs)
    origin = f"{entry.package} {entry.version}" if entry.package else "generated with torch"
    return Row(
        name=model.name,
        origin=origin.strip(),
        steps=steps,
        reference_steps=len(plan.report.reference_steps),
        error=verification.error,
        bar=1e-2 if any(output.dtype == "float16" for output in verification.outputs) else verification.rtol,
        passed=verification.passed,
    )


def main() -> None:
    """Print a row a model; exit with 3 if a model fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--write", action="store_true", help="write docs/models.md")
    options = parser.parse_args()
    rows = []
    for name in options.names or manifest():
        rows.append(check(load_model(name)))
        print(*rows[-1].cells, sep="  ", flush=True)
    if options.write:
        write_page(PAGE, "Models that are verified", INTRO, COLUMNS, [row.cells for row in rows])
    sys.exit(0 if all(row.passed for row in rows) else 3)


if __name__ == "__main__":
    main()
