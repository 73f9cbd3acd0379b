"""`enginewright verify`: are the numbers right?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from enginewright.cli._logging import start_logging
from enginewright.cli._options import BuildOptions, build_options, input_option
from enginewright.cli._progress import watching
from enginewright.cli._state import common, current, json_option

if TYPE_CHECKING:
    from enginewright.tools.comparison import Verification

NUMBERS_DIFFER = 3
EPILOG = """\b
Examples:
  enginewright verify model.onnx --cases 10
  enginewright verify model.onnx --input x=image.npy --layers
"""


@click.command("verify", epilog=EPILOG, short_help="Compare the numbers with ONNX Runtime.")
@click.argument("source", metavar="PLAN|MODEL", type=click.Path())
@click.option(
    "--against",
    default="onnxruntime",
    show_default=True,
    metavar="onnxruntime|reference|FILE",
    help="What is right: ONNX Runtime, our operators in NumPy, a plan, or a model that ONNX Runtime runs.",
)
@input_option
@click.option("--cases", type=click.IntRange(1), default=1, show_default=True, help="How many sets of inputs.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the first random inputs.")
@click.option("--rtol", type=float, help="Allowed ‖out - ref‖/‖ref‖. Default: 1e-4; int8 models 2e-2; 16 bit 1e-2.")
@click.option("--atol", type=float, default=0.0, show_default=True, help="Or allowed difference of each element.")
@click.option("--layers", is_flag=True, help="Name the first tensor inside the model that differs.")
@build_options
@json_option
@common
@click.pass_context
def command(
    ctx: click.Context, /, *, source: str, against: str, inputs: tuple[str, ...], options: BuildOptions, **how: object
) -> None:
    """Compare the numbers of a PLAN or MODEL; exit code 3 if they differ beyond the tolerance."""
    import enginewright as ew
    from enginewright.tools.inputs import read_inputs

    state = current()
    start_logging(state)
    given = read_inputs(inputs)
    with watching(state) as monitor:
        found = ew.verify(
            source,
            against=against,
            inputs=given,
            shapes=options.sizes(),
            config=options.config(),
            progress=monitor,
            **how,  # type: ignore[arg-type]  # cases, seed, rtol, atol, layers as declared above
        )
    _show(found, as_json=state.json, verbose=state.verbosity > 0)
    ctx.exit(0 if found.passed else NUMBERS_DIFFER)


def _show(found: Verification, *, as_json: bool, verbose: bool) -> None:
    from enginewright.cli._output import plain, print_json, print_table, print_text

    if as_json:
        print_json("verify", {"passed": found.passed, "error": plain(found.error), **plain(found)})
        return
    columns = ["output", "type", "shape", "relative error>", "largest difference>", "same arg-max>", "verdict"]
    rows = [
        [
            output.name,
            output.dtype,
            " x ".join(map(str, output.shape)) or "scalar",
            f"{output.error:.2e}",
            f"{output.largest:.2e}",
            "-" if output.same_argmax is None else f"{output.same_argmax:.1%}",
            "ok" if output.passed else "DIFFERS",
        ]
        for output in found.outputs
    ]
    print_table(columns, rows)
    for output in found.outputs:
        if output.note:
            print_text(f"note on {output.name}: {output.note}")
    verdict = "passed" if found.passed else "FAILED"
    print_text(
        f"{found.subject}: {verdict} against {found.against}, "
        f"worst {found.error:.2e}, tolerance {found.rtol:g}, {found.cases} case{'s' * (found.cases > 1)}"
    )
    _show_layers(found, verbose=verbose)


def _show_layers(found: Verification, *, verbose: bool) -> None:
    from enginewright.cli._output import print_table, print_text

    if found.divergence is None:
        return
    tensors, first = found.divergence.tensors, found.divergence.first
    if verbose:
        rows = [[item.tensor, item.node, f"{item.comparison.error:.2e}"] for item in tensors]
        print_table(["tensor", "node", "relative error>"], rows)
    if first is None:
        print_text(f"none of {len(tensors)} tensors differs")
    else:
        where = "; only inside a fused step" if found.divergence.fused else ""
        print_text(f"first to differ: {first.tensor} of node {first.node}: {first.comparison.error:.2e}{where}")
