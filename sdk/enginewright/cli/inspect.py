"""`enginewright inspect`: layers, passes, tactics and why each other one lost, memory, and what cannot be imported."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from enginewright.cli._logging import start_logging
from enginewright.cli._options import BuildOptions, build_options
from enginewright.cli._progress import watching
from enginewright.cli._state import common, current, json_option

if TYPE_CHECKING:
    from enginewright.compiler.report import LayerReport
    from enginewright.tools.inspection import Inspection

UNSUPPORTED = 7
EPILOG = """\b
Examples:
  enginewright inspect model.onnx --replacements
  enginewright inspect model.onnx --layer conv1 --show attributes
"""


@click.command("inspect", epilog=EPILOG, short_help="Show layers, passes, tactics and memory.")
@click.argument("source", metavar="MODEL|PLAN", type=click.Path())
@click.option("--passes", is_flag=True, help="What each pass of the optimizer did; nothing is built.")
@click.option("--coverage", is_flag=True, help="List all nodes that can't be imported; nothing is built.")
@click.option("--replacements", is_flag=True, help="What rules of plugins replace, and near misses; nothing is built.")
@click.option("--layer", metavar="NAME", help="Only layers and steps with this in their name or ONNX nodes.")
@click.option("--show", type=click.Choice(["attributes"]), multiple=True, help="Show more of each layer.")
@build_options
@json_option
@common
@click.pass_context
def command(ctx: click.Context, /, *, source: str, options: BuildOptions, **views: object) -> None:
    """Show what is inside a MODEL (built for its tactics, unless another view is asked) or a PLAN."""
    import enginewright as ew

    state = current()
    start_logging(state)
    if views["coverage"]:
        found = ew.check_support(source)
    elif views["replacements"]:
        found = ew.replacements(source, config=options.config())
    else:
        with watching(state) as monitor:
            found = ew.inspect(source, tune=not views["passes"], config=options.config(), progress=monitor)
    if state.json:
        from enginewright.cli._output import plain, print_json

        print_json("inspect", plain(found))
    elif views["coverage"]:
        _show_coverage(found)
    elif views["replacements"]:
        _show_replacements(found)
    elif views["passes"]:
        _show_passes(found)
        _show_wide(found, "")
    else:
        _show_all(found, str(views["layer"] or ""), attributes=bool(views["show"]))
    ctx.exit(UNSUPPORTED if found.unsupported else 0)


def _show_coverage(found: Inspection) -> None:
    from enginewright.cli._output import print_table, print_text

    if not found.unsupported:
        print_text(f"{found.subject}: all nodes can be imported, {len(found.layers)} layers")
        return
    rows = [[n.name, f"{n.domain or 'ai.onnx'}::{n.op_type}", str(n.version), n.reason] for n in found.unsupported]
    print_table(["node", "operator", "version>", "reason"], rows)
    print_text(f"{len(rows)} nodes are not supported")


def _show_replacements(found: Inspection) -> None:
    """The places at which a rule matched or nearly did, the worst error of each verification, and why it was left."""
    from enginewright.cli._output import print_table, print_text

    rows = []
    for item in found.replacements:
        status = f"{item.status}, replaced" if item.applied else item.status
        error = "-" if item.error is None else f"{item.error:.2g}"
        rows.append([item.operator, " ".join(item.nodes), status, error, item.reason])
    if rows:
        print_table(["operator", "ONNX nodes", "result", "error>", "reason"], rows)
    done = sum(item.applied for item in found.replacements)
    print_text(f"{found.subject}: {done} replaced, {len(rows) - done} left as they are")
    if found.unsupported:
        print_text(f"{len(found.unsupported)} nodes are not supported: {' '.join(n.name for n in found.unsupported)}")


def _show_passes(found: Inspection) -> None:
    from enginewright.cli._output import print_table, print_text

    rows = [[r.name, str(r.changes), str(r.before), str(r.after)] for r in found.passes]
    print_table(["pass", "changes>", "layers before>", "after>"], rows)
    print_text(f"{found.subject}: {len(found.layers)} layers are left")


def _show_wide(found: Inspection, wanted: str) -> None:
    """The layers that a GPU computes in float32 though the precision allows fewer bits, each with the reason."""
    from enginewright.cli._output import print_table

    wide = [item for item in found.wide if _matches(wanted, item.layer, item.sources)]
    rows = [[item.layer, item.operator, item.reason, " ".join(item.sources)] for item in wide]
    if rows:
        print_table(["stays in float32", "operator", "reason", "ONNX nodes"], rows)


def _show_all(found: Inspection, wanted: str, *, attributes: bool) -> None:
    from enginewright.cli._output import print_table, print_text

    print_text(f"{found.subject}")
    print_text(f"  inputs   {'; '.join(found.inputs)}")
    print_text(f"  outputs  {'; '.join(found.outputs)}")
    if found.passes and not wanted:
        _show_passes(found)
    layers = [item for item in found.layers if _matches(wanted, item.name, item.sources)]
    if attributes or (wanted and layers):
        for layer in layers:
            print_text(f"{layer.name} ({layer.operator})")
            for label, texts in (("reads", layer.inputs), ("gives", layer.outputs), ("from", layer.sources)):
                print_text(f"  {label:<8} {'; '.join(texts)}")
            for name, value in layer.attributes if attributes else ():
                print_text(f"  {name} = {value}")
    _show_wide(found, wanted)
    steps = [step for step in found.steps if _matches(wanted, step.layer, step.sources)]
    rows = []
    for outer, step in zip([(), *(step.within for step in steps)], steps, strict=False):
        if step.within and step.within != outer:
            rows.append([f"{'  ' * (len(step.within) - 1)}in {step.within[-1]}:", "", "", ""])
        name = f"{'  ' * len(step.within)}{step.layer}"
        rows.append([name, step.kernel, "; ".join(step.outputs), " ".join(step.sources)])
    print_table(["step", "kernel", "gives", "ONNX nodes"], rows)
    for choice in found.choices:
        if wanted and _matches(wanted, choice.layer, choice.sources):
            _show_choice(choice)
    if found.memory is not None and not wanted:
        memory = found.memory
        peak = "depends on the input shapes" if memory.peak is None else f"{memory.peak / 2**20:.2f} MiB at the peak"
        print_text(
            f"memory: {memory.weights / 2**20:.2f} MiB of weights; {memory.tensors} tensors share "
            f"{memory.storages} storages, {peak}"
        )


def _matches(wanted: str, name: str, sources: tuple[str, ...]) -> bool:
    return not wanted or wanted in name or any(wanted in source for source in sources)


def _show_choice(choice: LayerReport) -> None:
    """The tactics of a layer: the winner, each loser with its time, and the refused ones with the reason."""
    from enginewright.cli._output import print_table

    best = next((c.nanoseconds for c in choice.candidates if c.tactic == choice.tactic), None)
    rows = []
    for candidate in choice.candidates:
        time = "-" if candidate.nanoseconds is None else f"{candidate.nanoseconds / 1e3:.1f}"
        if candidate.tactic == choice.tactic:
            reason = "chosen" if best is not None else "chosen: nothing to compare with"
        elif best and candidate.nanoseconds:
            reason = f"{candidate.nanoseconds / best:.2f} x the chosen one's time"
        else:
            reason = "not timed"
        rows.append([candidate.tactic, candidate.kernel, time, reason])
    rows += [[rejected.tactic, "", "", f"refused: {rejected.reason}"] for rejected in choice.rejected]
    print_table(["tactic", "kernel", "us>", "result"], rows, title=f"tactics of {choice.layer} ({choice.operator})")
