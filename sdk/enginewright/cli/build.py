"""`enginewright build`: makes a plan of an ONNX model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from enginewright.cli._logging import start_logging
from enginewright.cli._options import BuildOptions, build_options, runtime_option
from enginewright.cli._progress import watching
from enginewright.cli._state import common, current, json_option

if TYPE_CHECKING:
    from enginewright.plan.plan import Plan

EPILOG = """\b
Examples:
  enginewright build model.onnx -o model.plan
  enginewright build model.onnx -o model.plan --threads 2 --shape x=1x3x32x32:1x3x224x224:8x3x512x512
"""


@click.command("build", epilog=EPILOG, short_help="Build the plan of an ONNX model.")
@click.argument("model", type=click.Path())
@click.option("-o", "--output", required=True, metavar="PLAN", help="The file to write; replaced at once if it exists.")
@click.option("--report", metavar="FILE.json", help="Write every layer, candidate and time to a file.")
@runtime_option("For which runtime: safety writes a safe plan, or says what it cannot run.")
@build_options
@json_option
@common
def command(model: str, output: str, report: str | None, runtime: str, options: BuildOptions) -> None:
    """Build the plan of an ONNX MODEL: parse, optimize, time tactics on this machine, write."""
    from dataclasses import replace

    import enginewright as ew

    state = current()
    start_logging(state)
    with watching(state) as monitor:
        plan = ew.build(model, replace(options.config(), runtime=runtime), progress=monitor)
    plan.save(output)
    if report:
        _write_report(plan, report)
    _show(plan, output, as_json=state.json, quiet=state.verbosity < 0)


def _write_report(plan: Plan, path: str) -> None:
    import json
    import os
    from pathlib import Path

    from enginewright.cli._output import SCHEMA_VERSION, plain

    part = Path(f"{path}.part")
    part.write_text(
        json.dumps({"schema_version": SCHEMA_VERSION, **plain(plan.report)}, indent=2) + "\n", encoding="utf-8"
    )
    os.replace(part, path)  # noqa: PTH105 - at once or not at all


def _show(plan: Plan, output: str, *, as_json: bool, quiet: bool) -> None:
    from pathlib import Path

    from enginewright.cli._output import print_json, print_text

    report, size = plan.report, Path(output).stat().st_size
    steps = sum(len(program.steps) for program in plan.meta.programs)
    facts = {
        "plan": output,
        "bytes": size,
        "steps": steps,
        "layers": len(report.layers),
        "timings_measured": report.timings_measured,
        "timings_cached": report.timings_cached,
        "seconds": report.seconds,
        "reference_steps": report.reference_steps,
        "notes": report.notes,
        "passes": report.passes,
        "replacements": report.replacements,
        "wide": report.wide,
    }
    if as_json:
        print_json("build", facts)
    elif not quiet:
        changes = sum(record.changes for record in report.passes)
        times = ", ".join(f"{phase} {seconds:.2f} s" for phase, seconds in report.seconds.items())
        print_text(f"{output}: {size / 1e6:.1f} MB, {steps} steps")
        print_text(f"  optimizer   {changes} changes by {sum(bool(r.changes) for r in report.passes)} passes")
        print_text(f"  tactics     {report.timings_measured} measured, {report.timings_cached} from the cache")
        print_text(f"  time        {times}")
        for item in report.replacements:
            print_text(f"  {'replaced' if item.applied else 'left':<11} {item}")
        if report.wide:
            print_text(f"  float32     {len(report.wide)} layers stay; `enginewright inspect` tells which, and why")
        for layer in report.reference_steps:
            print_text(f"  in NumPy    {layer}: no kernel")
        for note in report.notes:
            print_text(f"  note        {note}")
