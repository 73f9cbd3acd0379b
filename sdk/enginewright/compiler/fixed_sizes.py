"""Puts numbers in the place of named sizes, for a profile that allows one size only, or to run a network once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from enginewright.dims import Atom, Size
from enginewright.errors import ShapeError
from enginewright.graph.network import Network, Tensor
from enginewright.graph.size_substitution import substitute_sizes
from enginewright.ops.control import If
from enginewright.ops.refusal import Refusal


def fix_sizes(network: Network, fixed: Mapping[str, int]) -> None:
    """Put numbers where inputs and operators hold named sizes, as those do that fold_shapes made.

    Of an If, a branch that these sizes don't fit becomes a `Refusal`: the error that it would raise if it were taken.
    """

    def number(atom: Atom) -> Size | None:
        return fixed.get(str(atom.args[0])) if atom.kind == "symbol" else None

    substitute_sizes(network, number)
    _infer_nested(network)


def _infer_nested(network: Network) -> None:
    for layer in network.layers:
        if isinstance(layer.op, If):
            layer.op = _with_refusal(layer.op)
    for _, _, inner in network.nested():
        _infer_nested(inner)
        inner.infer()


def _with_refusal(op: If) -> If:
    """The same If, with a refusal in the place of a branch that doesn't fit; raises if neither does."""
    unfit = {}
    for name in ("then_branch", "else_branch"):
        branch = getattr(op, name)
        try:
            _infer_nested(branch)
            branch.infer()
        except ShapeError as error:
            unfit[name] = _refusing(branch, error)
            if len(unfit) == 2:
                raise
    return replace(op, **unfit)


def _refusing(branch: Network, error: ShapeError) -> Network:
    """A branch with the same inputs and outputs that raises the error."""
    made = Network(branch.name, parent=branch.parent)
    made.inputs = [Tensor(tensor.name, tensor.spec) for tensor in branch.inputs]
    outputs = [tensor for _, tensor in branch.outputs]
    refusal = Refusal(
        message=f"the branch that was taken does not fit the sizes that the plan was built for: {error.message}",
        hint="Give inputs that take the other branch, or build with a profile of other sizes.",
        where=error.where or "",
        dtypes=tuple(tensor.dtype for tensor in outputs),
        ranks=tuple(tensor.rank for tensor in outputs),
    )
    for (name, _), tensor in zip(branch.outputs, made.add(refusal), strict=True):
        made.output(name, tensor)
    return made
