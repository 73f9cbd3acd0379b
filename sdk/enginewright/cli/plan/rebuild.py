"""`enginewright plan rebuild`: a plan of any release, built again for this one and compared with the old one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from enginewright.cli._logging import start_logging
from enginewright.cli._options import ShapeRange, given_trust, profile_of, shape_option, trust_options
from enginewright.cli._progress import watching
from enginewright.cli._state import common, current, json_option

if TYPE_CHECKING:
    from enginewright.compiler.rebuilding import Rebuilt

EPILOG = """\b
Exit code: 1 without a recipe, or if the model is missing or another one; 3 if the new plan computes something
else on the probes (nothing is written); 4 not trusted; 5 a plugin is missing; 6 corrupt or no artifact.

\b
Examples:
  enginewright plan rebuild det.plan
  enginewright plan rebuild det.plan --from models/detector.onnx -o det-new.plan
"""


@click.command("rebuild", epilog=EPILOG, short_help="Build a plan of any release again for this one.")
@click.argument("old", type=click.Path())
@click.option("--from", "model", metavar="MODEL", help="The model, if it is neither in the plan nor beside it.")
@click.option("-o", "--output", metavar="NEW", help="The file to write. Default: OLD is replaced.")
@click.option("--timing-cache", metavar="FILE", help='File of earlier timings, read and added to; "": none.')
@shape_option
@trust_options
@json_option
@common
def command(old: str, output: str | None, shape: tuple[ShapeRange, ...], **given: str | None) -> None:
    """Build the plan OLD again from its recipe, compare both on its probes, and write the new one."""
    import enginewright as ew

    start_logging(current())
    with watching(current()) as monitor:
        rebuilt = ew.rebuild(
            old,
            model=given["model"],
            profiles=(profile_of(shape),) if shape else None,
            timing_cache=given["timing_cache"],
            trust=given_trust(given["keys"], given["trust"]),
            progress=monitor,
        )
    rebuilt.plan.save(output or old)
    _show(rebuilt, old, output or old)


def _show(rebuilt: Rebuilt, old: str, new: str) -> None:
    from enginewright.cli._output import plain, print_json, print_text

    facts: dict[str, Any] = {"old": old, "plan": new, "model": rebuilt.model, "outputs": plain(rebuilt.outputs)}
    if current().json:
        print_json("plan rebuild", facts | {"notes": rebuilt.plan.report.notes})
        return
    print_text(f"{new}: built again from {rebuilt.model}")
    for item in rebuilt.outputs:
        print_text(f"  probe       {item.name}: differs by {item.error:.2g}")
    if not rebuilt.outputs:
        print_text("  probe       none in the old plan: not compared")
    for note in rebuilt.plan.report.notes:
        print_text(f"  note        {note}")
