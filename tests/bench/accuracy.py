"""How far models are from ONNX Runtime: the worst relative error of each, for dynamic ones with a second shape too."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

import enginewright as ew
from tests.bench.page import write_page
from tests.models import TestModel, load_model, names

COLUMNS = ("model", "outputs", "relative error", "tolerance", "same arg-max", "steps", "in NumPy", "verdict")
CLASSIFIER_CASES, SAME_ARGMAX = 100, 0.99


def report(wanted: Sequence[str], threads: int | None, page: Path | None) -> int:
    """Print and write the table; 1 if a model differs or fails."""
    rows: list[tuple[str, ...]] = []
    failed = 0
    for name in wanted or names():
        try:
            rows.append(check(load_model(name), ew.BuilderConfig(threads=threads)))
        except ew.EnginewrightError as error:
            rows.append((name, f"{error.code}: {error.message}", *[""] * (len(COLUMNS) - 3), "FAILS"))
        failed += not rows[-1][-1].startswith("ok")
        print("  ".join(rows[-1]), flush=True)
    print(f"{len(rows) - failed} of {len(rows)} models pass")
    if page is not None:
        intro = (
            "Every model of `tests/models.json` against ONNX Runtime, by `python -m tests.bench accuracy`. The relative "
            "error is the worst ‖out − ref‖/‖ref‖ over all outputs, at a second shape too where axes are dynamic; integer "
            "and boolean outputs are equal. Steps in NumPy are operators that have no kernel yet."
        )
        write_page(page, "Accuracy", intro, COLUMNS, rows)
    return int(failed > 0)


def check(model: TestModel, config: ew.BuilderConfig) -> tuple[str, ...]:
    """One row."""
    plan = ew.build(model.path, config)
    cases = [model.inputs]
    if model.entry.other_shapes:
        cases.append(model.entry.make_other_inputs())
    found = [ew.verify(model.path, inputs=inputs, config=config) for inputs in cases]
    if model.entry.int8 and model.entry.classifier:
        found.append(same_classes(model, config))
    passed = all(item.passed for item in found)
    outputs = [output for item in found for output in item.outputs]
    shares = [output.same_argmax for output in outputs if output.same_argmax is not None]
    notes = "; ".join(dict.fromkeys(output.note for output in outputs if output.note))
    return (
        model.name,
        str(len(found[0].outputs)),
        f"{max(item.error for item in found):.1e}",
        f"{found[0].rtol:g}",
        f"{min(shares):.0%}" if shares else "-",
        str(sum(len(program.steps) for program in plan.meta.programs)),
        str(len(plan.report.reference_steps)),
        ("ok" if passed else "DIFFERS") + (f": {notes}" if notes else ""),
    )


def same_classes(model: TestModel, config: ew.BuilderConfig) -> ew.Verification:
    """An int8 classifier on 100 inputs: it passes with the same class on 99 of them, whatever the numbers are."""
    found = ew.verify(model.path, cases=1, inputs=model.entry.make_inputs(1), config=config)
    runs = [ew.verify(model.path, inputs=model.entry.make_inputs(seed), config=config) for seed in range(2, 101)]
    share = float(np.mean([run.outputs[0].same_argmax or 0.0 for run in (found, *runs)]))
    print(f"  {model.name}: same class for {share:.0%} of rows in {CLASSIFIER_CASES} inputs")
    if share < SAME_ARGMAX:
        raise ew.AccuracyError(f"{model.name}: same class for {share:.1%} of rows only", hint="See verify --layers.")
    return found
